/* signalbox cat: any socket type from the shell. Lines of standard input become messages, messages lines of
 * standard output. Before: main.c. After: lines.c, engine/socket.h. */
#include "modules/standalone/cat.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CHUNK 65536

typedef struct cat {
    sb_handler base; /* first member */
    const cat_options *opts;
    sb_engine *engine;
    sb_socket *sock;
    bool reads, writes; /* what the type can, and was asked for */
    sb_watch in;
    sb_timer again; /* a file is always ready: its chunks come turn by turn */
    sb_timer idle;
    char *text; /* read, not yet sent: from `at` to `len` */
    size_t at, len, cap;
    bool watching, file, eof;
    bool awaiting; /* REQ: its reply */
    unsigned joined;
    uint64_t received;
    int code;
} cat;

static cat *from_handler(sb_handler *self)
{
    return (cat *)self;
}

static void stop(cat *c, int code)
{
    c->code = code;
    sb_engine_stop(c->engine);
}

static void complain(cat *c, const char *what, sb_err err)
{
    fprintf(stderr, "signalbox: cat: %s: %s\n", what, sb_strerror(err));
    stop(c, 1);
}

/* ---- sending ---- */

static void watch_input(cat *c, bool on)
{
    sb_loop *loop = sb_engine_loop(c->engine);
    on = on && !c->eof && c->writes;
    if (c->file && on)
        sb_timer_start(loop, &c->again, sb_loop_now(loop));
    else if (!c->file && on && !c->watching)
        c->file = sb_watch_start(loop, &c->in, true, false) != SB_OK;
    else if (!on && c->watching)
        sb_watch_stop(loop, &c->in);
    c->watching = on && !c->file;
}

/* All is read and sent: a socket that expects nothing back has done its work. */
static void end_of_input(cat *c)
{
    bool turns = c->opts->type == SB_REQ || c->opts->type == SB_REP;
    if (c->eof && c->at == c->len && !c->awaiting && (turns || !c->reads))
        sb_socket_close(c->sock);
}

/* How long the first line is, its end not counted; false: it is not whole yet. */
static bool next_line(const cat *c, size_t *len)
{
    const char *start = c->text + c->at;
    const char *end = c->len > c->at ? memchr(start, c->opts->format.end, c->len - c->at) : NULL;
    *len = end != NULL ? (size_t)(end - start) : c->len - c->at;
    return end != NULL || (c->eof && *len > 0);
}

static sb_err send_line(cat *c, size_t len)
{
    sb_msg msg;
    char *copy = malloc(len + 1); /* reading a line changes it, and it may have to wait */
    if (copy == NULL)
        return SB_ENOMEM;
    memcpy(copy, c->text + c->at, len);
    sb_msg_init(&msg);
    sb_err err = line_read(copy, len, &c->opts->format, &msg);
    if (err == SB_OK)
        err = sb_socket_send(c->sock, &msg);
    sb_msg_finish(&msg);
    free(copy);
    return err;
}

static void took_line(cat *c, size_t len, sb_err err)
{
    c->at += len + 1;
    if (c->at >= c->len)
        c->at = c->len = 0;
    c->awaiting = err == SB_OK && c->opts->type == SB_REQ;
    if (err == SB_OK)
        return;
    fprintf(stderr, "signalbox: cat: a line was not sent: %s\n", sb_strerror(err));
    c->code = 1;
}

static void send_lines(cat *c)
{
    size_t len;
    sb_err err = c->joined < c->opts->peers ? SB_EAGAIN : SB_OK;
    while (err == SB_OK && c->writes && next_line(c, &len)) {
        err = c->awaiting ? SB_EFSM : send_line(c, len);
        if (err == SB_EAGAIN || err == SB_EFSM) /* goes on with on_writable, or the next message */
            break;
        took_line(c, len, err);
        err = SB_OK;
    }
    watch_input(c, err == SB_OK);
    end_of_input(c);
}

static bool make_room(cat *c)
{
    if (c->at > 0) {
        memmove(c->text, c->text + c->at, c->len - c->at);
        c->len -= c->at;
        c->at = 0;
    }
    if (c->cap - c->len >= CHUNK)
        return true;
    char *text = realloc(c->text, c->len + 2 * CHUNK);
    if (text == NULL)
        return false;
    c->text = text;
    c->cap = c->len + 2 * CHUNK;
    return true;
}

static void read_input(cat *c)
{
    if (!make_room(c)) {
        complain(c, "standard input", SB_ENOMEM);
        return;
    }
    ssize_t n = read(STDIN_FILENO, c->text + c->len, CHUNK);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n < 0)
        fprintf(stderr, "signalbox: cat: standard input: %s\n", strerror(errno));
    c->eof = n <= 0;
    c->len += n > 0 ? (size_t)n : 0;
    send_lines(c);
}

static void on_input(sb_watch *w, bool readable, bool writable)
{
    (void)readable, (void)writable;
    read_input((cat *)((char *)w - offsetof(cat, in)));
}

static void on_again(sb_timer *timer)
{
    read_input((cat *)((char *)timer - offsetof(cat, again)));
}

/* ---- receiving ---- */

static void on_idle(sb_timer *timer)
{
    cat *c = (cat *)((char *)timer - offsetof(cat, idle));
    bool enough = c->opts->count == 0;
    if (!enough)
        fprintf(stderr, "signalbox: cat: %" PRIu64 " of %" PRIu64 " messages came in time\n", c->received,
            c->opts->count);
    stop(c, enough ? c->code : 1);
}

static void rest(cat *c)
{
    sb_loop *loop = sb_engine_loop(c->engine);
    if (c->opts->timeout > 0)
        sb_timer_start(loop, &c->idle, sb_loop_now(loop) + c->opts->timeout);
}

static sb_err on_msg(sb_handler *self, sb_socket *sock, sb_peer *peer, sb_msg *msg)
{
    cat *c = from_handler(self);
    (void)sock, (void)peer;
    c->received++;
    c->awaiting = false;
    rest(c);
    if (c->reads) {
        line_write(stdout, &c->opts->format, msg, c->opts->type == SB_REP ? msg->envelope : 0);
        if (fflush(stdout) != 0) {
            stop(c, 1); /* nobody reads us any more */
            return SB_OK;
        }
    }
    if (c->opts->count > 0 && c->received == c->opts->count && c->opts->type != SB_REP)
        sb_socket_close(c->sock);
    else
        send_lines(c);
    return SB_OK;
}

static void on_event(sb_handler *self, sb_socket *sock, const sb_event *event)
{
    cat *c = from_handler(self);
    bool publisher = c->opts->type == SB_PUB || c->opts->type == SB_XPUB || c->opts->type == SB_RADIO;
    (void)sock;
    if (c->opts->verbose)
        fprintf(stderr, "signalbox: cat: %s %s%s%s\n", sb_event_name(event->kind),
            *event->address != '\0' ? event->address : event->endpoint, *event->detail != '\0' ? ": " : "",
            event->detail);
    if (event->kind != (publisher ? SB_EVENT_SUBSCRIBED : SB_EVENT_HANDSHAKE_SUCCEEDED))
        return;
    c->joined++;
    send_lines(c);
}

static void on_writable(sb_handler *self, sb_socket *sock)
{
    (void)sock;
    send_lines(from_handler(self));
}

static void on_closed(sb_handler *self, sb_socket *sock)
{
    (void)sock;
    stop(from_handler(self), from_handler(self)->code);
}

/* ---- life ---- */

static bool reach(cat *c, const char *endpoint)
{
    char err[256] = "";
    sb_err code = c->opts->bind ? sb_socket_bind(c->sock, endpoint, err, sizeof err)
                                : sb_socket_connect(c->sock, endpoint, err, sizeof err);
    if (code != SB_OK)
        fprintf(stderr, "signalbox: cat: %s: %s\n", endpoint, *err != '\0' ? err : sb_strerror(code));
    return code == SB_OK;
}

static void subscribe(cat *c)
{
    bool subscriber = c->opts->type == SB_SUB || c->opts->type == SB_XSUB;
    for (size_t i = 0; i < c->opts->ntopics; i++) {
        const char *topic = c->opts->topics[i];
        (subscriber ? sb_socket_subscribe : sb_socket_join)(c->sock, topic, strlen(topic));
    }
    if (subscriber && c->opts->ntopics == 0)
        sb_socket_subscribe(c->sock, "", 0);
}

static bool open_socket(cat *c)
{
    char err[256] = "";
    bool ok = sb_socket_create(c->engine, c->opts->type, "cat", &c->sock) == SB_OK;
    for (size_t i = 0; ok && i < c->opts->noptions; i++) {
        ok = sb_socket_set_text(c->sock, c->opts->options[i], err, sizeof err) == SB_OK;
        if (!ok)
            fprintf(stderr, "signalbox: cat: -o %s: %s\n", c->opts->options[i], err);
    }
    if (!ok)
        return false;
    sb_socket_set_handler(c->sock, &c->base);
    subscribe(c);
    for (size_t i = 0; ok && i < c->opts->nendpoints; i++)
        ok = reach(c, c->opts->endpoints[i]);
    return ok;
}

static void print_log(sb_host *self, sb_log_level level, const char *line)
{
    (void)self;
    if (level >= SB_LOG_WARN)
        fprintf(stderr, "signalbox: cat: %s\n", line);
}

static bool open_engine(cat *c, sb_host *host)
{
    char err[256] = "";
    const sb_engine_config cfg = {.backend = c->opts->backend, .host = host};
    if (sb_engine_create(&cfg, err, sizeof err, &c->engine) == SB_OK)
        return true;
    fprintf(stderr, "signalbox: cat: %s\n", err);
    return false;
}

int cat_run(const cat_options *opts)
{
    sb_host host = {.log = print_log};
    cat c = {.base = {on_msg, NULL, on_event, on_writable, on_closed}, .opts = opts};
    c.reads = opts->direction != 'w' && sb_type_can_recv(opts->type);
    c.writes = opts->direction != 'r' && sb_type_can_send(opts->type);
    c.in = (sb_watch){.on_ready = on_input, .fd = STDIN_FILENO};
    sb_timer_init(&c.again, on_again);
    sb_timer_init(&c.idle, on_idle);
    signal(SIGPIPE, SIG_IGN);
    if (!open_engine(&c, &host))
        return 1;
    c.code = open_socket(&c) ? 0 : 1;
    if (c.code == 0) {
        rest(&c);
        send_lines(&c);
        if (sb_engine_run(c.engine) != SB_OK)
            c.code = 1;
    }
    watch_input(&c, false);
    sb_engine_destroy(c.engine);
    free(c.text);
    return c.code;
}
