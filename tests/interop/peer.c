/* A Signalbox program that a test drives: one command per line on stdin, one answer per line on stdout. On
 * the public C API only. See peer.py for the other end.
 *
 *   open NAME TYPE            opt NAME OPTION VALUE        close NAME
 *   bind NAME ENDPOINT        connect NAME ENDPOINT        unbind / disconnect NAME ENDPOINT
 *   subscribe NAME HEX        unsubscribe NAME HEX         join NAME HEX              leave NAME HEX
 *   send NAME MS HEX...       recv NAME MS                 (HEX "-" is an empty frame)
 *   blast NAME COUNT SIZE     sink NAME EVERY MS           (background: sequence numbers; EVERY > 0: pause
 * after so many) wait NAME MS              told when a blast is done sunk NAME                 how many a
 * sink took and how many were out of order stats NAME   events NAME   peers NAME   backend   drain MS   quit
 *   auth STATUS (peer_auth.h)
 */
#include "engine/signalbox.h"
#include "tests/interop/peer_auth.h"
#include "tests/interop/peer_hex.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MAX_ENDS = 32, EVENT_LOG = 4096 };

struct box;

/* One socket; the handler is the first member. */
typedef struct end {
    sb_handler handler;
    struct box *box;
    sb_socket *sock;
    char name[32];
    sb_timer timer;  /* ends a wait of recv or send, or a sink's pause */
    bool receiving;  /* `recv` waits */
    sb_msg *sending; /* `send` waits for room */
    uint64_t blast_next, blast_end;
    size_t blast_size;
    bool waiting; /* `wait` waits */
    bool sinking, resting;
    uint64_t sunk, disorder, expected, rest_every, rest_ms;
    char events[EVENT_LOG];
} end;

typedef struct box {
    sb_host host; /* first member */
    peer_auth auth;
    sb_engine *engine;
    sb_watch input;
    sb_drain drain;
    char *line;
    size_t have, cap;
    end *ends[MAX_ENDS];
    int nends;
} box;

static void answer(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

static void answer(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vprintf(fmt, ap);
    va_end(ap);
    putchar('\n');
    fflush(stdout);
}

static void answer_err(sb_err err, const char *text)
{
    if (err == SB_OK)
        answer("ok");
    else
        answer("error %s %s", sb_errname(err), text);
}

static void print_log(sb_host *self, sb_log_level level, const char *line)
{
    (void)self;
    fprintf(stderr, "%d %s\n", (int)level, line);
}

/* What the application of a REQ or REP sees is the body; of the others, every frame. */
static void print_msg(const sb_socket *sock, const sb_msg *msg)
{
    sb_type type = sb_socket_type(sock);
    static const char digits[] = "0123456789abcdef";
    printf("msg");
    for (uint32_t i = type == SB_REQ || type == SB_REP ? msg->envelope : 0; i < msg->n; i++) {
        const sb_frame *f = &msg->frames[i];
        putchar(' ');
        if (f->len == 0)
            putchar('-');
        for (size_t k = 0; k < f->len; k++) {
            putchar(digits[f->data[k] >> 4]);
            putchar(digits[f->data[k] & 15]);
        }
    }
    answer("%s", "");
}

/* ---- what the engine tells ---- */

/* Takes messages as they come only while a command wants them: otherwise they wait in the engine's queues. */
static void take(end *e, bool on);

static end *end_from_timer(sb_timer *timer)
{
    return (end *)((char *)timer - offsetof(end, timer));
}

static void start_timer(end *e, uint64_t ms)
{
    sb_loop *loop = sb_engine_loop(e->box->engine);
    sb_loop_update(loop);
    sb_timer_start(loop, &e->timer, sb_loop_now(loop) + ms * SB_NS_PER_MS);
}

static void on_timer(sb_timer *timer)
{
    end *e = end_from_timer(timer);
    if (e->resting) {
        e->resting = false;
        sb_socket_resume(e->sock);
    } else if (e->receiving || e->sending != NULL || e->waiting) {
        take(e, e->sinking);
        e->receiving = e->waiting = false;
        sb_msg_destroy(e->sending);
        e->sending = NULL;
        answer("error EAGAIN timeout");
    }
}

static uint64_t sequence(const sb_msg *msg)
{
    const sb_frame *f = &msg->frames[msg->n - 1];
    uint64_t v = UINT64_MAX;
    if (f->len >= sizeof v)
        memcpy(&v, f->data, sizeof v);
    return v;
}

static sb_err sink(end *e, const sb_msg *msg)
{
    if (e->resting)
        return SB_EAGAIN;
    e->disorder += sequence(msg) != e->expected;
    e->expected = sequence(msg) + 1;
    e->sunk++;
    if (e->rest_every > 0 && e->sunk % e->rest_every == 0) {
        e->resting = true;
        start_timer(e, e->rest_ms);
    }
    return SB_OK;
}

static sb_err on_msg(sb_handler *self, sb_socket *sock, sb_peer *peer, sb_msg *msg)
{
    end *e = (end *)self;
    (void)sock, (void)peer;
    if (e->sinking)
        return sink(e, msg);
    assert(e->receiving && "nobody takes messages otherwise");
    e->receiving = false;
    take(e, false);
    sb_timer_stop(sb_engine_loop(e->box->engine), &e->timer);
    print_msg(e->sock, msg);
    return SB_OK;
}

static void take(end *e, bool on)
{
    e->handler.on_msg = on ? on_msg : NULL;
    if (on)
        sb_socket_resume(e->sock);
}

static void blast(end *e)
{
    static uint8_t body[1 << 20];
    for (; e->blast_next < e->blast_end; e->blast_next++) {
        memcpy(body, &e->blast_next, sizeof e->blast_next);
        if (sb_socket_send_bytes(e->sock, body, e->blast_size) != SB_OK)
            return;
    }
    if (e->waiting) {
        e->waiting = false;
        sb_timer_stop(sb_engine_loop(e->box->engine), &e->timer);
        answer("ok %" PRIu64, e->blast_next);
    }
}

static void on_writable(sb_handler *self, sb_socket *sock)
{
    end *e = (end *)self;
    if (e->sending != NULL) {
        sb_err err = sb_socket_send(sock, e->sending);
        if (err == SB_EAGAIN)
            return;
        sb_msg_destroy(e->sending);
        e->sending = NULL;
        sb_timer_stop(sb_engine_loop(e->box->engine), &e->timer);
        answer_err(err, "send");
    }
    if (e->blast_end > 0)
        blast(e);
}

static void on_event(sb_handler *self, sb_socket *sock, const sb_event *event)
{
    end *e = (end *)self;
    size_t used = strlen(e->events);
    (void)sock;
    snprintf(e->events + used, sizeof e->events - used, " %s", sb_event_name(event->kind));
}

static void on_closed(sb_handler *self, sb_socket *sock)
{
    end *e = (end *)self;
    (void)sock;
    sb_timer_stop(sb_engine_loop(e->box->engine), &e->timer);
    e->sock = NULL;
    e->name[0] = '\0';
}

/* ---- commands; `words` ends with NULL ---- */

static end *find_end(box *b, const char *name)
{
    for (int i = 0; i < b->nends; i++)
        if (strcmp(b->ends[i]->name, name) == 0)
            return b->ends[i];
    return NULL;
}

static void cmd_open(box *b, end *none, char **words)
{
    (void)none;
    sb_type type;
    end *e = calloc(1, sizeof *e);
    if (b->nends == MAX_ENDS || !sb_type_find(words[2], strlen(words[2]), &type)) {
        free(e);
        answer("error EINVAL type");
        return;
    }
    e->handler = (sb_handler){.on_writable = on_writable, .on_event = on_event, .on_closed = on_closed};
    e->box = b;
    snprintf(e->name, sizeof e->name, "%s", words[1]);
    sb_timer_init(&e->timer, on_timer);
    b->ends[b->nends++] = e;
    sb_err err = sb_socket_create(b->engine, type, words[1], &e->sock);
    if (err == SB_OK)
        sb_socket_set_handler(e->sock, &e->handler);
    answer_err(err, "create");
}

static void cmd_opt(box *b, end *e, char **words)
{
    char err[256] = "";
    sb_err rc;
    (void)b;
    const sb_opt_row *row = sb_option_find(words[2], strlen(words[2]), NULL);
    if (row == NULL)
        rc = SB_EINVAL;
    else if (row->kind == SB_OPT_BYTES)
        rc = sb_socket_set_bytes(e->sock, row->opt, words[3], strlen(words[3]), err, sizeof err);
    else
        rc = sb_socket_set_int(e->sock, row->opt, strtoll(words[3], NULL, 10), err, sizeof err);
    answer_err(rc, err);
}

static void cmd_bind(box *b, end *e, char **words)
{
    char err[256] = "";
    (void)b;
    sb_err rc = sb_socket_bind(e->sock, words[2], err, sizeof err);
    if (rc == SB_OK)
        answer("ok %s", sb_socket_last_endpoint(e->sock));
    else
        answer_err(rc, err);
}

static void cmd_connect(box *b, end *e, char **words)
{
    char err[256] = "";
    (void)b;
    sb_err rc = sb_socket_connect(e->sock, words[2], err, sizeof err);
    answer_err(rc, err);
}

static void cmd_unbind(box *b, end *e, char **words)
{
    (void)b;
    answer_err(sb_socket_unbind(e->sock, words[2]), "unbind");
}

static void cmd_disconnect(box *b, end *e, char **words)
{
    (void)b;
    answer_err(sb_socket_disconnect(e->sock, words[2]), "disconnect");
}

static const struct {
    const char *name;
    sb_err (*run)(sb_socket *sock, const void *topic, size_t len);
} topics[] = {
    {"subscribe", sb_socket_subscribe},
    {"unsubscribe", sb_socket_unsubscribe},
    {"join", sb_socket_join},
    {"leave", sb_socket_leave},
};

static void cmd_topic(box *b, end *e, char **words)
{
    (void)b;
    size_t n = unhex(words[2]), i = 0;
    while (strcmp(topics[i].name, words[0]) != 0)
        i++;
    answer_err(topics[i].run(e->sock, words[2], n), words[0]);
}

static void cmd_send(box *b, end *e, char **words)
{
    sb_msg msg;
    (void)b;
    sb_msg_init(&msg);
    for (int i = 3; words[i] != NULL; i++) {
        size_t n = unhex(words[i]);
        sb_msg_push(&msg, words[i], n, NULL);
    }
    sb_err err = sb_socket_send(e->sock, &msg);
    uint64_t ms = strtoull(words[2], NULL, 10);
    if (err == SB_EAGAIN && ms > 0 && sb_msg_keep(&msg, &e->sending) == SB_OK)
        start_timer(e, ms);
    else
        answer_err(err, "send");
    sb_msg_finish(&msg);
}

static void cmd_recv(box *b, end *e, char **words)
{
    sb_msg msg;
    (void)b;
    sb_msg_init(&msg);
    sb_err err = sb_socket_recv(e->sock, &msg);
    uint64_t ms = strtoull(words[2], NULL, 10);
    if (err == SB_OK) {
        print_msg(e->sock, &msg);
    } else if (err == SB_EAGAIN && ms > 0) {
        e->receiving = true;
        start_timer(e, ms);
        take(e, true);
    } else {
        answer_err(err, "recv");
    }
    sb_msg_finish(&msg);
}

static void cmd_blast(box *b, end *e, char **words)
{
    (void)b;
    e->blast_next = 0;
    e->blast_end = strtoull(words[2], NULL, 10);
    e->blast_size = strtoul(words[3], NULL, 10);
    answer("ok");
    blast(e);
}

static void cmd_auth(box *b, end *e, char **words)
{
    (void)e;
    peer_auth_start(&b->auth, b->engine, (unsigned)strtoul(words[1], NULL, 10));
    answer("ok");
}

static void cmd_wait(box *b, end *e, char **words)
{
    (void)b;
    if (e->blast_next == e->blast_end) {
        answer("ok %" PRIu64, e->blast_next);
        return;
    }
    e->waiting = true;
    start_timer(e, strtoull(words[2], NULL, 10));
}

static void cmd_sink(box *b, end *e, char **words)
{
    (void)b;
    e->sinking = true;
    e->rest_every = strtoull(words[2], NULL, 10);
    e->rest_ms = strtoull(words[3], NULL, 10);
    take(e, true);
    answer("ok");
}

static void cmd_sunk(box *b, end *e, char **words)
{
    (void)b, (void)words;
    answer("ok %" PRIu64 " %" PRIu64, e->sunk, e->disorder);
}

static void cmd_stats(box *b, end *e, char **words)
{
    sb_stats s;
    (void)b, (void)words;
    sb_socket_stats(e->sock, &s);
    printf("ok msgs_in=%" PRIu64 " msgs_out=%" PRIu64 " peers=%" PRIu64 " subscriptions=%" PRIu64, s.msgs_in,
        s.msgs_out, s.peers, s.subscriptions);
    printf(" queued_in=%" PRIu64 " queued_out=%" PRIu64, s.queued_in_msgs, s.queued_out_msgs);
    for (int i = 0; i < SB_DROP_COUNT; i++)
        printf(" dropped_%s=%" PRIu64, sb_drop_name((sb_drop)i), s.dropped[i]);
    for (int i = 1; i < SB_CAUSE_COUNT; i++)
        s.handshake_failures[0] += s.handshake_failures[i];
    answer(" handshake_failures=%" PRIu64, s.handshake_failures[0]);
}

static void cmd_events(box *b, end *e, char **words)
{
    (void)b, (void)words;
    answer("ok%s", e->events);
    e->events[0] = '\0';
}

static bool print_peer(void *arg, sb_peer *peer)
{
    size_t n = 0;
    const uint8_t *id = sb_peer_routing_id(peer, &n);
    (void)arg;
    printf(" %s/", sb_peer_address(peer));
    for (size_t i = 0; i < n; i++)
        printf("%02x", id[i]);
    if (sb_peer_user_id(peer)[0] != '\0')
        printf("/%s", sb_peer_user_id(peer));
    return true;
}

static void cmd_peers(box *b, end *e, char **words)
{
    (void)b, (void)words;
    printf("ok");
    sb_socket_each_peer(e->sock, print_peer, NULL);
    answer("%s", "");
}

static void cmd_close(box *b, end *e, char **words)
{
    (void)b, (void)words;
    sb_socket_close(e->sock);
    answer("ok");
}

static void cmd_backend(box *b, end *e, char **words)
{
    (void)e, (void)words;
    answer("ok %s", sb_engine_backend(b->engine));
}

static void drained(sb_drain *self, const sb_drain_report *r)
{
    box *b = (box *)((char *)self - offsetof(box, drain));
    answer("ok sent=%" PRIu64 " unsent=%" PRIu64, r->sent_msgs, r->unsent_msgs);
    sb_engine_stop(b->engine);
}

static void cmd_drain(box *b, end *e, char **words)
{
    (void)e;
    b->drain.on_drained = drained;
    sb_err err = sb_engine_drain(b->engine, strtoull(words[1], NULL, 10) * SB_NS_PER_MS, &b->drain);
    if (err != SB_OK)
        answer_err(err, "drain");
}

static void cmd_quit(box *b, end *e, char **words)
{
    (void)e, (void)words;
    sb_engine_stop(b->engine);
}

static const struct {
    const char *name;
    int words; /* at least, with the command */
    bool on_end;
    void (*run)(box *b, end *e, char **words);
} commands[] = {
    {"open", 3, false, cmd_open},
    {"opt", 4, true, cmd_opt},
    {"bind", 3, true, cmd_bind},
    {"connect", 3, true, cmd_connect},
    {"unbind", 3, true, cmd_unbind},
    {"disconnect", 3, true, cmd_disconnect},
    {"subscribe", 3, true, cmd_topic},
    {"unsubscribe", 3, true, cmd_topic},
    {"join", 3, true, cmd_topic},
    {"leave", 3, true, cmd_topic},
    {"send", 4, true, cmd_send},
    {"recv", 3, true, cmd_recv},
    {"blast", 4, true, cmd_blast},
    {"wait", 3, true, cmd_wait},
    {"sink", 4, true, cmd_sink},
    {"sunk", 2, true, cmd_sunk},
    {"stats", 2, true, cmd_stats},
    {"events", 2, true, cmd_events},
    {"peers", 2, true, cmd_peers},
    {"close", 2, true, cmd_close},
    {"auth", 2, false, cmd_auth},
    {"backend", 1, false, cmd_backend},
    {"drain", 2, false, cmd_drain},
    {"quit", 1, false, cmd_quit},
};

static void run_command(box *b, char *line)
{
    char *words[64] = {0}, *save = NULL;
    int n = 0;
    for (char *w = strtok_r(line, " ", &save); w != NULL && n < 63; w = strtok_r(NULL, " ", &save))
        words[n++] = w;
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        if (n < commands[i].words || strcmp(words[0], commands[i].name) != 0)
            continue;
        end *e = commands[i].on_end ? find_end(b, words[1]) : NULL;
        if (commands[i].on_end && e == NULL)
            answer("error ENOENT no such socket");
        else
            commands[i].run(b, e, words);
        return;
    }
    answer("error EINVAL no such command");
}

static bool read_more(box *b)
{
    if (b->cap - b->have < 65536) {
        b->cap = b->cap * 2 + 65536;
        b->line = realloc(b->line, b->cap);
    }
    ssize_t n = read(0, b->line + b->have, b->cap - b->have - 1);
    if (n > 0)
        b->have += (size_t)n;
    return n > 0 || (n < 0 && errno == EAGAIN);
}

static void on_input(sb_watch *w, bool readable, bool writable)
{
    box *b = (box *)((char *)w - offsetof(box, input));
    char *eol;
    (void)readable, (void)writable;
    if (!read_more(b)) {
        sb_engine_stop(b->engine);
        return;
    }
    while ((eol = memchr(b->line, '\n', b->have)) != NULL) {
        size_t used = (size_t)(eol + 1 - b->line);
        *eol = '\0';
        run_command(b, b->line);
        b->have -= used;
        memmove(b->line, b->line + used, b->have);
    }
}

static void finish(box *b)
{
    sb_watch_stop(sb_engine_loop(b->engine), &b->input);
    for (int i = 0; i < b->nends; i++) {
        sb_timer_stop(sb_engine_loop(b->engine), &b->ends[i]->timer);
        sb_msg_destroy(b->ends[i]->sending);
    }
    sb_engine_destroy(b->engine);
    for (int i = 0; i < b->nends; i++)
        free(b->ends[i]);
    free(b->line);
}

int main(int argc, char **argv)
{
    box b = {.host = {.log = print_log}, .input = {.on_ready = on_input, .fd = 0}};
    sb_engine_config cfg = {.backend = argc > 1 ? argv[1] : "auto", .host = &b.host};
    char err[256] = "";
    sb_err rc = sb_engine_create(&cfg, err, sizeof err, &b.engine);
    if (rc != SB_OK) {
        fprintf(stderr, "peer: %s\n", err);
        return rc == SB_ENOSYS || rc == SB_EACCES ? 77 : 1;
    }
    fcntl(0, F_SETFL, O_NONBLOCK);
    sb_watch_start(sb_engine_loop(b.engine), &b.input, true, false);
    rc = sb_engine_run(b.engine);
    finish(&b);
    return rc == SB_OK ? 0 : 1;
}
