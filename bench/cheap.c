/* Prepared greeting, frame batches, and the walk that counts messages. */
#include "bench/cheap.h"
#include "bench/args.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

struct address {
    struct sockaddr_storage ss;
    socklen_t len;
};

static struct address address_of(const bench_args *a, int port)
{
    struct address at = {.len = sizeof(struct sockaddr_in)};
    if (a->dir == NULL) {
        *(struct sockaddr_in *)&at.ss = (struct sockaddr_in){.sin_family = AF_INET,
            .sin_port = htons((uint16_t)port),
            .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        return at;
    }
    struct sockaddr_un *un = (struct sockaddr_un *)&at.ss;
    un->sun_family = AF_UNIX;
    snprintf(un->sun_path, sizeof un->sun_path, "%s/%d", a->dir, port);
    at.len = sizeof *un;
    return at;
}

static int open_socket(const struct address *at)
{
    int fd = socket(at->ss.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        bench_die("socket");
    return fd;
}

int cheap_listen(const bench_args *a, int port)
{
    struct address at = address_of(a, port);
    int fd = open_socket(&at), one = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(fd, (struct sockaddr *)&at.ss, at.len) != 0 || listen(fd, 1024) != 0)
        bench_die("listen");
    return fd;
}

static int ready(int fd)
{
    int one = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    return fd;
}

int cheap_accept(int listener)
{
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    if (fd < 0)
        bench_die("accept");
    return ready(fd);
}

int cheap_connect(const bench_args *a, int port)
{
    struct address at = address_of(a, port);
    for (int tries = 0; tries < 500; tries++) {
        int fd = open_socket(&at);
        if (connect(fd, (struct sockaddr *)&at.ss, at.len) == 0)
            return ready(fd);
        close(fd);
        usleep(10000);
    }
    bench_die("connect");
}

void cheap_write(int fd, const void *data, size_t len)
{
    const uint8_t *p = data;
    while (len > 0) {
        ssize_t n = send(fd, p, len, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            exit(0); /* the other end has seen enough */
        p += n;
        len -= (size_t)n;
    }
}

static void read_all(int fd, uint8_t *p, size_t len)
{
    while (len > 0) {
        ssize_t n = recv(fd, p, len, 0);
        if (n <= 0)
            bench_die("handshake");
        p += n;
        len -= (size_t)n;
    }
}

size_t cheap_hello(uint8_t *out, const char *type)
{
    static const char ready_head[] = "\5READY\13Socket-Type";
    size_t type_len = strlen(type), body = sizeof ready_head - 1 + 4 + type_len;
    memset(out, 0, 64);
    out[0] = 0xff;
    out[8] = 1;
    out[9] = 0x7f;
    out[10] = 3;
    memcpy(out + 12, "NULL", 4);
    out[64] = 4;
    out[65] = (uint8_t)body;
    memcpy(out + 66, ready_head, sizeof ready_head - 1);
    uint8_t *p = out + 66 + sizeof ready_head - 1;
    memcpy(p, (uint8_t[]){0, 0, 0, (uint8_t)type_len}, 4);
    memcpy(p + 4, type, type_len);
    return 66 + body;
}

void cheap_handshake(int fd, const char *type)
{
    uint8_t out[CHEAP_HELLO], in[512];
    cheap_write(fd, out, cheap_hello(out, type));
    read_all(fd, in, 64);
    read_all(fd, in, 2);
    read_all(fd, in + 2, in[1]);
    if (in[0] != 4 || memcmp(in + 2, "\5READY", 6) != 0)
        bench_die("no READY came");
}

/* "0001234." */
static size_t write_topic(char *out, int i)
{
    return (size_t)snprintf(out, 16, "%07d.", i);
}

void cheap_subscribe(int fd, int i, int n, int prefixes)
{
    if (prefixes == 0)
        cheap_write(fd, "\0\1\1", 3);
    char block[16384];
    size_t at = 0;
    for (; i < prefixes; i += n) {
        char *frame = block + at;
        size_t len = write_topic(frame + 3, i);
        memcpy(frame, (char[]){0, (char)(1 + len), 1}, 3);
        at += 3 + len;
        if (at > sizeof block - 32) {
            cheap_write(fd, block, at);
            at = 0;
        }
    }
    if (at > 0)
        cheap_write(fd, block, at);
}

static uint8_t *head(uint8_t *p, size_t size, unsigned more)
{
    p[0] = (uint8_t)((size > 255 ? 2 : 0) | more);
    if (size <= 255) {
        p[1] = (uint8_t)size;
        return p + 2;
    }
    for (int i = 0; i < 8; i++)
        p[1 + i] = (uint8_t)((uint64_t)size >> (56 - 8 * i));
    return p + 9;
}

#define TOPIC_FRAME 16

static uint8_t *write_frame(uint8_t *p, size_t size, unsigned more, char first)
{
    p = head(p, size, more);
    memset(p, '.', size);
    if (size > 0)
        p[0] = (uint8_t)first;
    return p + size;
}

static int topics(const bench_args *a)
{
    return a->hot > 0 && a->hot < a->prefixes ? a->hot : a->prefixes;
}

/* A stride that has nothing in common with a power of ten goes through all topics in no order. */
static int topic_of(const bench_args *a, int i)
{
    int n = topics(a);
    return (int)(i * 7919LL % n) * (a->prefixes / n);
}

static uint8_t *write_message(uint8_t *p, const bench_args *a, int i)
{
    char topic[16], first = i % 2 == 0 ? 'a' : 'b';
    if (a->topic)
        p = write_frame(p, TOPIC_FRAME, 1, first);
    uint8_t *end = write_frame(p, (size_t)a->size, 0, first);
    if (a->prefixes > 0)
        memcpy(end - a->size, topic, write_topic(topic, topic_of(a, i)));
    return end;
}

void cheap_batch_make(cheap_batch *b, const bench_args *a, size_t at_least)
{
    size_t size = (size_t)a->size;
    b->message = (a->topic ? 2 + TOPIC_FRAME : 0) + (size > 255 ? 9 : 2) + size;
    b->count = (int)((at_least / b->message + 2) & ~(size_t)1);
    if (a->prefixes > 0)
        b->count = topics(a) * (1 + b->count / topics(a));
    b->len = (size_t)b->count * b->message;
    uint8_t *p = b->data = malloc(b->len);
    if (p == NULL)
        bench_die("memory");
    for (int i = 0; i < b->count; i++)
        p = write_message(p, a, i);
}

/* Length of the frame head that begins with these flags. */
static size_t head_len(uint8_t flags)
{
    return (flags & 2) != 0 ? 9 : 2;
}

static uint64_t body_len(const uint8_t *p)
{
    uint64_t len = 0;
    if ((p[0] & 2) == 0)
        return p[1];
    for (int i = 1; i < 9; i++)
        len = len << 8 | p[i];
    return len;
}

/* A head cut by the end of the last read. Returns how many octets of this read it took. */
static size_t join_head(cheap_walk *w, const uint8_t *p, size_t n)
{
    size_t used = 0;
    while (used < n && (w->nhead == 0 || w->nhead < head_len(w->head[0])))
        w->head[w->nhead++] = p[used++];
    if (w->nhead > 0 && w->nhead == head_len(w->head[0])) {
        w->skip = body_len(w->head);
        w->counts = (w->head[0] & 5) == 0;
        w->nhead = 0;
    }
    return used;
}

uint64_t cheap_walk_feed(cheap_walk *w, const uint8_t *p, size_t n)
{
    const uint8_t *end = p + n;
    uint64_t msgs = 0;
    if (w->nhead > 0) {
        p += join_head(w, p, n);
        if (w->nhead > 0)
            return 0;
        if (w->skip == 0) {
            msgs += w->counts;
            w->counts = false;
        }
    }
    if (w->skip > 0) {
        uint64_t step = w->skip < (uint64_t)(end - p) ? w->skip : (uint64_t)(end - p);
        p += step;
        w->skip -= step;
        if (w->skip > 0)
            return msgs;
        msgs += w->counts;
    }
    while (p < end) {
        size_t h = head_len(p[0]);
        if ((size_t)(end - p) < h) {
            w->nhead = (size_t)(end - p);
            memcpy(w->head, p, w->nhead);
            return msgs;
        }
        uint64_t len = body_len(p);
        bool counts = (p[0] & 5) == 0;
        if (len > (uint64_t)(end - p) - h) {
            w->skip = len - ((uint64_t)(end - p) - h);
            w->counts = counts;
            return msgs;
        }
        msgs += counts;
        p += h + len;
    }
    return msgs;
}
