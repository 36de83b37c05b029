/* Test bench of the socket tests: an engine on the fake loop, and a handler that keeps what it is told. */
#ifndef SB_TEST_BENCH_H
#define SB_TEST_BENCH_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "backends/fake/fake.h"
#include "engine/signalbox.h"

#define SEEN_MAX 4096

typedef struct bench {
    sb_loop *loop;
    sb_engine *engine;
} bench;

/* Keeps every message as "frame|frame" (body only) and the names of all events. */
typedef struct ear {
    sb_handler base;
    char *seen[SEEN_MAX];
    size_t n;
    size_t take;   /* how many it will take, SIZE_MAX: all */
    sb_peer *peer; /* the last message's */
    char events[8192];
    size_t writables, closed;
} ear;

static inline void bench_open(bench *b)
{
    assert_int_equal(sb_fake_create(&b->loop), SB_OK);
    sb_engine_config cfg = {.loop = b->loop};
    assert_int_equal(sb_engine_create(&cfg, NULL, 0, &b->engine), SB_OK);
}

static inline void bench_close(bench *b)
{
    sb_engine_destroy(b->engine);
    sb_loop_destroy(b->loop);
}

static inline void settle(bench *b)
{
    assert_true(sb_fake_settle(b->loop, 100000));
}

static inline void pass(bench *b, uint64_t ms)
{
    for (uint64_t i = 0; i < ms; i++) {
        sb_fake_advance(b->loop, SB_NS_PER_MS);
        settle(b);
    }
}

static inline char *text_of(const sb_msg *msg)
{
    size_t len = sb_msg_body_size(msg) + sb_msg_count(msg) + 1, at = 0;
    char *text = malloc(len);
    for (uint32_t i = 0; i < sb_msg_count(msg); i++) {
        const sb_frame *f = sb_msg_frame(msg, i);
        if (i > 0)
            text[at++] = '|';
        if (f->len > 0)
            memcpy(text + at, f->data, f->len);
        for (size_t k = 0; k < f->len; k++) /* NULs of automatic ids would end the text */
            text[at + k] = text[at + k] == '\0' ? '~' : text[at + k];
        at += f->len;
    }
    text[at] = '\0';
    return text;
}

static inline sb_err ear_msg(sb_handler *self, sb_socket *sock, sb_peer *peer, sb_msg *msg)
{
    ear *e = (ear *)self;
    (void)sock;
    if (e->take == 0)
        return SB_EAGAIN;
    if (e->take != SIZE_MAX)
        e->take--;
    assert_true(e->n < SEEN_MAX);
    e->seen[e->n++] = text_of(msg);
    e->peer = peer;
    return SB_OK;
}

static inline void ear_event(sb_handler *self, sb_socket *sock, const sb_event *event)
{
    ear *e = (ear *)self;
    (void)sock;
    strncat(e->events, sb_event_name(event->kind), sizeof e->events - strlen(e->events) - 1);
    strncat(e->events, " ", sizeof e->events - strlen(e->events) - 1);
}

static inline void ear_writable(sb_handler *self, sb_socket *sock)
{
    (void)sock;
    ((ear *)self)->writables++;
}

static inline void ear_closed(sb_handler *self, sb_socket *sock)
{
    (void)sock;
    ((ear *)self)->closed++;
}

static inline void ear_open(ear *e)
{
    *e = (ear){.base = {.on_msg = ear_msg,
                   .on_event = ear_event,
                   .on_writable = ear_writable,
                   .on_closed = ear_closed},
        .take = SIZE_MAX};
}

static inline void ear_clear(ear *e)
{
    for (size_t i = 0; i < e->n; i++)
        free(e->seen[i]);
    e->n = 0;
}

static inline sb_socket *open_socket(bench *b, sb_type type, ear *e)
{
    sb_socket *sock;
    assert_int_equal(sb_socket_create(b->engine, type, NULL, &sock), SB_OK);
    if (e != NULL) {
        ear_open(e);
        sb_socket_set_handler(sock, &e->base);
    }
    return sock;
}

static inline void set_int(sb_socket *sock, sb_opt opt, int64_t value)
{
    char err[128] = "";
    if (sb_socket_set_int(sock, opt, value, err, sizeof err) != SB_OK)
        fail_msg("%s", err);
}

static inline void bind_to(sb_socket *sock, const char *endpoint)
{
    char err[256] = "";
    if (sb_socket_bind(sock, endpoint, err, sizeof err) != SB_OK)
        fail_msg("%s", err);
}

static inline void connect_to(sb_socket *sock, const char *endpoint)
{
    char err[256] = "";
    if (sb_socket_connect(sock, endpoint, err, sizeof err) != SB_OK)
        fail_msg("%s", err);
}

static inline sb_err send_text(sb_socket *sock, const char *text)
{
    return sb_socket_send_bytes(sock, text, strlen(text));
}

/* Sends frames given as "a|b|c". */
static inline sb_err send_frames(sb_socket *sock, const char *text)
{
    sb_msg msg;
    sb_msg_init(&msg);
    for (const char *p = text;; p = strchr(p, '|') + 1) {
        const char *end = strchr(p, '|');
        sb_msg_push(&msg, p, end != NULL ? (size_t)(end - p) : strlen(p), NULL);
        if (end == NULL)
            break;
    }
    sb_err err = sb_socket_send(sock, &msg);
    sb_msg_finish(&msg);
    return err;
}

static inline void expect_seen(ear *e, size_t i, const char *text)
{
    if (i >= e->n)
        fail_msg("message %zu (%s) did not arrive, %zu did", i, text, e->n);
    assert_string_equal(e->seen[i], text);
}

#endif
