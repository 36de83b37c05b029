/* The same work on libzmq's C API. Roles: push, pull, proxy (PULL to PUSH), fan (XSUB to XPUB), spread (SUB
 * to PUB, so that subscriptions end here), req, rep, both (proxy and rep in one context), inproc (two
 * threads). */
#include "bench/args.h"
#include "bench/meter.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

static void *context;

static void check(int rc)
{
    if (rc < 0)
        bench_die(zmq_strerror(zmq_errno()));
}

static void secure(const bench_args *a, void *s)
{
    int server = a->nlisten > 0;
    if (!a->curve)
        return;
    check(zmq_setsockopt(s, ZMQ_CURVE_SECRETKEY, BENCH_CURVE_SECRET, 41));
    check(zmq_setsockopt(s, ZMQ_CURVE_PUBLICKEY, BENCH_CURVE_PUBLIC, 41));
    if (server)
        check(zmq_setsockopt(s, ZMQ_CURVE_SERVER, &server, sizeof server));
    else
        check(zmq_setsockopt(s, ZMQ_CURVE_SERVERKEY, BENCH_CURVE_PUBLIC, 41));
}

static void *make(const bench_args *a, int type)
{
    void *s = zmq_socket(context, type);
    int linger = 0;
    zmq_setsockopt(s, ZMQ_SNDHWM, &a->hwm, sizeof a->hwm);
    zmq_setsockopt(s, ZMQ_RCVHWM, &a->hwm, sizeof a->hwm);
    zmq_setsockopt(s, ZMQ_LINGER, &linger, sizeof linger);
    secure(a, s);
    return s;
}

static void *listening(const bench_args *a, int type, int i)
{
    char endpoint[128];
    void *s = make(a, type);
    bench_endpoint(a, a->listen[i], endpoint, sizeof endpoint);
    if (a->nodrop && (type == ZMQ_XPUB || type == ZMQ_PUB))
        check(zmq_setsockopt(s, ZMQ_XPUB_NODROP, &a->nodrop, sizeof a->nodrop));
    check(zmq_bind(s, endpoint));
    return s;
}

static void *connected(const bench_args *a, int type)
{
    char endpoint[128];
    void *s = make(a, type);
    bench_endpoint(a, a->connect[0], endpoint, sizeof endpoint);
    check(zmq_connect(s, endpoint));
    return s;
}

static void *body(const bench_args *a)
{
    char *data = malloc((size_t)a->size + 1);
    memset(data, 'a', (size_t)a->size);
    return data;
}

static void run_push(const bench_args *a)
{
    void *s = connected(a, ZMQ_PUSH), *data = body(a);
    while (zmq_send(s, data, (size_t)a->size, 0) >= 0)
        ;
}

static void receive(const bench_args *a, void *s)
{
    zmq_msg_t msg;
    meter m;
    zmq_msg_init(&msg);
    meter_init(&m, a);
    while (zmq_msg_recv(&msg, s, 0) >= 0)
        meter_add(&m, 1);
}

static void run_pull(const bench_args *a)
{
    receive(a, listening(a, ZMQ_PULL, 0));
}

static void run_proxy(const bench_args *a)
{
    zmq_proxy(listening(a, ZMQ_PULL, 0), listening(a, ZMQ_PUSH, 1), NULL);
}

static void run_fan(const bench_args *a)
{
    zmq_proxy(listening(a, ZMQ_XSUB, 0), listening(a, ZMQ_XPUB, 1), NULL);
}

static void run_spread(const bench_args *a)
{
    void *in = listening(a, ZMQ_SUB, 0), *out = listening(a, ZMQ_PUB, 1);
    zmq_msg_t msg;
    check(zmq_setsockopt(in, ZMQ_SUBSCRIBE, "", 0));
    check(zmq_setsockopt(in, ZMQ_RCVTIMEO, &(int){10}, sizeof(int)));
    zmq_msg_init(&msg);
    for (;;) {
        int events; /* asking for them makes an idle publisher take its subscriptions */
        if (zmq_msg_recv(&msg, in, 0) >= 0)
            check(zmq_msg_send(&msg, out, 0));
        else
            check(zmq_getsockopt(out, ZMQ_EVENTS, &events, &(size_t){sizeof events}));
    }
}

static void run_req(const bench_args *a)
{
    void *s = connected(a, ZMQ_REQ), *data = body(a);
    zmq_msg_t msg;
    meter m;
    zmq_msg_init(&msg);
    meter_init(&m, a);
    for (;;) {
        check(zmq_send(s, data, (size_t)a->size, 0));
        check(zmq_msg_recv(&msg, s, 0));
        meter_add(&m, 1);
    }
}

static void answer(void *s)
{
    zmq_msg_t msg;
    zmq_msg_init(&msg);
    for (;;) {
        check(zmq_msg_recv(&msg, s, 0));
        check(zmq_msg_send(&msg, s, 0));
    }
}

static void run_rep(const bench_args *a)
{
    answer(listening(a, ZMQ_REP, 0));
}

static void *proxy_thread(void *arg)
{
    run_proxy(arg);
    return NULL;
}

static void run_both(const bench_args *a)
{
    pthread_t thread;
    void *s = listening(a, ZMQ_REP, 2);
    check(pthread_create(&thread, NULL, proxy_thread, (void *)(uintptr_t)a) == 0 ? 0 : -1);
    answer(s);
}

static void *inproc_thread(void *arg)
{
    const bench_args *a = arg;
    void *s = make(a, ZMQ_PUSH), *data = body(a);
    check(zmq_connect(s, "inproc://bench"));
    while (zmq_send(s, data, (size_t)a->size, 0) >= 0)
        ;
    return NULL;
}

static void run_inproc(const bench_args *a)
{
    pthread_t thread;
    void *s = make(a, ZMQ_PULL);
    check(zmq_bind(s, "inproc://bench"));
    check(pthread_create(&thread, NULL, inproc_thread, (void *)(uintptr_t)a) == 0 ? 0 : -1);
    receive(a, s);
}

static const struct {
    const char *name;
    void (*run)(const bench_args *a);
} roles[] = {
    {"push", run_push},
    {"pull", run_pull},
    {"proxy", run_proxy},
    {"fan", run_fan},
    {"spread", run_spread},
    {"req", run_req},
    {"rep", run_rep},
    {"both", run_both},
    {"inproc", run_inproc},
};

int main(int argc, char **argv)
{
    bench_args a;
    bench_args_parse(&a, argc, argv);
    context = zmq_ctx_new();
    for (size_t i = 0; i < sizeof roles / sizeof *roles; i++)
        if (strcmp(a.role, roles[i].name) == 0)
            roles[i].run(&a);
    return 0;
}
