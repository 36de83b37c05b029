/* The same work on Signalbox's C API. Roles: push, pull, req, rep, inproc (PUSH and PULL of one engine), and
 * script (a broker in Lua: script=FILE -- key=value). */
#include "bench/args.h"
#include "bench/meter.h"
#include "engine/signalbox.h"
#include "lua/script.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One socket and what it does; the handler is the first member. */
typedef struct end {
    sb_handler handler;
    sb_engine *engine;
    sb_socket *sock;
    meter meter;
    char *body;
    size_t size;
} end;

static void check(sb_err err, const char *text)
{
    if (err == SB_OK)
        return;
    fprintf(stderr, "bench_sb: %s: %s\n", sb_errname(err), text);
    exit(1);
}

static void print_line(sb_host *self, sb_log_level level, const char *line)
{
    (void)self;
    if (level >= SB_LOG_NOTICE)
        fprintf(stderr, "%s\n", line);
}

static sb_host host = {.log = print_line};

static sb_engine *open_engine(const bench_args *a)
{
    char err[256] = "";
    sb_engine *engine;
    sb_engine_config cfg = {.backend = a->backend, .host = &host};
    check(sb_engine_create(&cfg, err, sizeof err, &engine), err);
    return engine;
}

static void make_socket(end *e, const bench_args *a, sb_type type)
{
    char err[256] = "";
    e->size = (size_t)a->size;
    e->body = malloc(e->size + 1);
    memset(e->body, 'a', e->size);
    meter_init(&e->meter, a);
    check(sb_socket_create(e->engine, type, NULL, &e->sock), "socket");
    sb_socket_set_handler(e->sock, &e->handler);
    check(sb_socket_set_int(e->sock, SB_OPT_SNDHWM, a->hwm, err, sizeof err), err);
    check(sb_socket_set_int(e->sock, SB_OPT_RCVHWM, a->hwm, err, sizeof err), err);
}

static void set_key(end *e, sb_opt opt, const char *key)
{
    check(sb_socket_set_bytes(e->sock, opt, key, strlen(key), NULL, 0), key);
}

static void secure(end *e, const bench_args *a)
{
    if (!a->curve)
        return;
    set_key(e, SB_OPT_CURVE_SECRETKEY, BENCH_CURVE_SECRET);
    if (a->nlisten > 0)
        check(sb_socket_set_int(e->sock, SB_OPT_CURVE_SERVER, 1, NULL, 0), "curve_server");
    else
        set_key(e, SB_OPT_CURVE_SERVERKEY, BENCH_CURVE_PUBLIC);
}

static void open_socket(end *e, const bench_args *a, sb_type type)
{
    char err[256] = "", endpoint[128];
    e->engine = open_engine(a);
    make_socket(e, a, type);
    secure(e, a);
    for (int i = 0; i < a->nlisten; i++) {
        bench_endpoint(a, a->listen[i], endpoint, sizeof endpoint);
        check(sb_socket_bind(e->sock, endpoint, err, sizeof err), err);
    }
    for (int i = 0; i < a->nconnect; i++) {
        bench_endpoint(a, a->connect[i], endpoint, sizeof endpoint);
        check(sb_socket_connect(e->sock, endpoint, err, sizeof err), err);
    }
}

static void blast(sb_handler *self, sb_socket *sock)
{
    end *e = (end *)self;
    while (sb_socket_send_bytes(sock, e->body, e->size) == SB_OK)
        ;
}

static sb_err count(sb_handler *self, sb_socket *sock, sb_peer *peer, sb_msg *msg)
{
    (void)sock, (void)peer, (void)msg;
    meter_add(&((end *)self)->meter, 1);
    return SB_OK;
}

static sb_err ask_again(sb_handler *self, sb_socket *sock, sb_peer *peer, sb_msg *msg)
{
    end *e = (end *)self;
    count(self, sock, peer, msg);
    check(sb_socket_send_bytes(sock, e->body, e->size), "request");
    return SB_OK;
}

static void ask_first(sb_handler *self, sb_socket *sock)
{
    end *e = (end *)self;
    if (e->meter.n == 0)
        sb_socket_send_bytes(sock, e->body, e->size);
}

static sb_err echo(sb_handler *self, sb_socket *sock, sb_peer *peer, sb_msg *msg)
{
    (void)self;
    return sb_socket_reply(sock, peer, msg, msg);
}

static void run_push(const bench_args *a)
{
    end e = {.handler = {.on_writable = blast}};
    open_socket(&e, a, SB_PUSH);
    blast(&e.handler, e.sock);
    sb_engine_run(e.engine);
}

static void run_pull(const bench_args *a)
{
    end e = {.handler = {.on_msg = count}};
    open_socket(&e, a, SB_PULL);
    sb_engine_run(e.engine);
}

static void run_req(const bench_args *a)
{
    end e = {.handler = {.on_msg = ask_again, .on_writable = ask_first}};
    open_socket(&e, a, SB_REQ);
    ask_first(&e.handler, e.sock);
    sb_engine_run(e.engine);
}

static void run_rep(const bench_args *a)
{
    end e = {.handler = {.on_msg = echo}};
    open_socket(&e, a, SB_REP);
    sb_engine_run(e.engine);
}

static void run_inproc(const bench_args *a)
{
    char err[256] = "";
    end to = {.handler = {.on_msg = count}, .engine = open_engine(a)};
    end from = {.handler = {.on_writable = blast}, .engine = to.engine};
    make_socket(&to, a, SB_PULL);
    make_socket(&from, a, SB_PUSH);
    check(sb_socket_bind(to.sock, "inproc://bench", err, sizeof err), err);
    check(sb_socket_connect(from.sock, "inproc://bench", err, sizeof err), err);
    blast(&from.handler, from.sock);
    sb_engine_run(to.engine);
}

static void run_script(const bench_args *a)
{
    char err[512] = "";
    sb_engine *engine = open_engine(a);
    sb_script *script;
    check(sb_engine_load(
              engine, a->script, (const char *const *)a->rest, (size_t)a->nrest, err, sizeof err, &script),
        err);
    sb_engine_run(engine);
}

static const struct {
    const char *name;
    void (*run)(const bench_args *a);
} roles[] = {
    {"push", run_push},
    {"pull", run_pull},
    {"req", run_req},
    {"rep", run_rep},
    {"inproc", run_inproc},
    {"script", run_script},
};

int main(int argc, char **argv)
{
    bench_args a;
    bench_args_parse(&a, argc, argv);
    for (size_t i = 0; i < sizeof roles / sizeof *roles; i++)
        if (strcmp(a.role, roles[i].name) == 0)
            roles[i].run(&a);
    return 0;
}
