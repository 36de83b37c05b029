/* libpcap's packets to lines. Before: modules/standalone/dump.c. After: segment.c, flow.c. */
#include "modules/standalone/dump/capture.h"
#include "modules/standalone/dump/flow.h"

#include <errno.h>
#include <pcap/pcap.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define SNAP 262144 /* octets of a packet, libpcap's most */
#define WAIT 100    /* ms until packets are told, where the system cannot tell at once */

typedef struct capture {
    const capture_options *opts;
    pcap_t *pcap;
    flows flows;
    struct timeval now;
    uint64_t lines;
    u_int lost_before;
    bool nomem;
} capture;

/* What a signal ends; libpcap may wait for ever when no packet comes. */
static pcap_t *volatile running;
static volatile sig_atomic_t interrupted;

static void on_signal(int number)
{
    interrupted = number;
    pcap_breakloop(running);
}

static int complain(const char *what, const char *why)
{
    fprintf(stderr, "signalbox: dump: %s: %s\n", what, why);
    return 1;
}

static pcap_t *open_file(const capture_options *opts)
{
    char why[PCAP_ERRBUF_SIZE];
    FILE *file = strcmp(opts->file, "-") == 0 ? stdin : fopen(opts->file, "rb");
    if (file == NULL) {
        complain(opts->file, strerror(errno));
        return NULL;
    }
    pcap_t *pcap = pcap_fopen_offline(file, why); /* owns the file from here on */
    if (pcap == NULL) {
        complain(opts->file, why);
        fclose(file);
    }
    return pcap;
}

static bool activate(pcap_t *pcap, const char *interface)
{
    pcap_set_snaplen(pcap, SNAP);
    pcap_set_timeout(pcap, WAIT);
    pcap_set_immediate_mode(pcap, 1);
    int result = pcap_activate(pcap);
    if (result == PCAP_ERROR_PERM_DENIED)
        complain(interface, "not permitted: capturing needs root or the capability CAP_NET_RAW");
    else if (result < 0)
        complain(interface, *pcap_geterr(pcap) != '\0' ? pcap_geterr(pcap) : pcap_statustostr(result));
    return result >= 0;
}

static pcap_t *open_live(const capture_options *opts)
{
    char why[PCAP_ERRBUF_SIZE];
    pcap_t *pcap = pcap_create(opts->interface, why);
    if (pcap == NULL)
        complain(opts->interface, why);
    else if (!activate(pcap, opts->interface)) {
        pcap_close(pcap);
        pcap = NULL;
    }
    return pcap;
}

static bool set_filter(pcap_t *pcap, const char *filter)
{
    struct bpf_program program;
    if (pcap_compile(pcap, &program, filter, 1, PCAP_NETMASK_UNKNOWN) != 0) {
        complain(filter, pcap_geterr(pcap));
        return false;
    }
    bool good = pcap_setfilter(pcap, &program) == 0;
    if (!good)
        complain(filter, pcap_geterr(pcap));
    pcap_freecode(&program);
    return good;
}

static bool is_readable(pcap_t *pcap, const capture_options *opts)
{
    const char *name = pcap_datalink_val_to_name(pcap_datalink(pcap));
    if (segment_link_known(pcap_datalink(pcap)))
        return true;
    fprintf(stderr, "signalbox: dump: %s: packets of link type %s cannot be read\n",
        opts->interface != NULL ? opts->interface : opts->file, name != NULL ? name : "unknown");
    return false;
}

static void say(void *user, const char *text)
{
    capture *c = user;
    struct tm tm;
    if (c->opts->lines > 0 && c->lines == c->opts->lines)
        return;
    localtime_r(&c->now.tv_sec, &tm);
    printf("%02d:%02d:%02d.%06ld %s\n", tm.tm_hour, tm.tm_min, tm.tm_sec, (long)c->now.tv_usec, text);
    if (++c->lines == c->opts->lines)
        pcap_breakloop(c->pcap);
}

static void on_packet(u_char *user, const struct pcap_pkthdr *head, const u_char *octets)
{
    capture *c = (capture *)user;
    segment s;
    c->now = head->ts;
    if (segment_find(pcap_datalink(c->pcap), octets, head->caplen, head->len, &s) &&
        !flows_take(&c->flows, &s)) {
        c->nomem = true;
        pcap_breakloop(c->pcap);
    }
}

/* Live, no packets are not the end. */
static int loop(capture *c)
{
    int n;
    do {
        n = pcap_dispatch(c->pcap, -1, on_packet, (u_char *)c);
        fflush(stdout);
    } while (!interrupted && (n > 0 || (n == 0 && c->opts->interface != NULL)));
    if (c->nomem)
        return complain("packets", "out of memory");
    return n == PCAP_ERROR ? complain("reading packets", pcap_geterr(c->pcap)) : 0;
}

static u_int lost(pcap_t *pcap)
{
    struct pcap_stat stat;
    return pcap_stats(pcap, &stat) == 0 ? stat.ps_drop : 0;
}

/* What the kernel had no room for leaves holes in what is printed. */
static void tell_lost(capture *c)
{
    u_int n = lost(c->pcap) - c->lost_before;
    if (n > 0)
        fprintf(stderr, "signalbox: dump: %u packets came too fast to be captured\n", n);
}

static void take_signals(pcap_t *pcap)
{
    struct sigaction action = {.sa_handler = on_signal};
    running = pcap;
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

int capture_run(const capture_options *opts)
{
    capture c = {.opts = opts, .flows = {.say = say, .user = &c, .shown = opts->shown}};
    c.pcap = opts->interface != NULL ? open_live(opts) : open_file(opts);
    if (c.pcap == NULL)
        return 1;
    int code = 1;
    if (is_readable(c.pcap, opts) && set_filter(c.pcap, opts->filter)) {
        c.lost_before = lost(c.pcap); /* of everything on the interface, until the filter was there */
        take_signals(c.pcap);
        if (opts->interface != NULL)
            fprintf(stderr, "signalbox: dump: capturing on %s, filter '%s'\n", opts->interface, opts->filter);
        flows_init(&c.flows);
        code = loop(&c);
        flows_finish(&c.flows);
        tell_lost(&c);
    }
    pcap_close(c.pcap);
    return code;
}
