/* A pattern on its own: a host that counts what it is told, and peers whose connection only takes notes. */
#ifndef SB_TEST_FAKE_H
#define SB_TEST_FAKE_H

#include "engine/pattern/pattern.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define NOTES 64

typedef struct rig {
    sb_pattern *pat;
    sb__pattern_options options;
    int writable, readable, expired, events, dropped[SB_DROP_COUNT];
    int congested; /* peers that are */
    uint64_t now, alarm;
    char event[NOTES][NOTES];
} rig;

typedef struct fake {
    sb_peer peer; /* first */
    sb_peer_info info;
    int outputs, kicks, ends;
    bool forever;
    sb_err why;
    int subs;
    char sub[NOTES][NOTES]; /* "+topic" and "-topic" */
} fake;

static inline void host_writable(sb_pattern *pat)
{
    ((rig *)pat->socket)->writable++;
}
static inline void host_readable(sb_pattern *pat)
{
    ((rig *)pat->socket)->readable++;
}
static inline void host_event(sb_pattern *pat, sb_peer *from, const uint8_t *data, size_t len)
{
    rig *r = pat->socket;
    assert_non_null(from);
    assert_in_range(data[0], 0, 1);
    snprintf(r->event[r->events++ % NOTES], NOTES, "%c%.*s", data[0] ? '+' : '-', (int)len - 1, data + 1);
}
static inline void host_dropped(sb_pattern *pat, sb_peer *peer, sb_drop why)
{
    (void)peer;
    ((rig *)pat->socket)->dropped[why]++;
}

static inline void host_expired(sb_pattern *pat, sb_peer *peer)
{
    (void)peer;
    ((rig *)pat->socket)->expired++;
}
static inline void host_congestion(sb_pattern *pat, sb_peer *peer)
{
    ((rig *)pat->socket)->congested += peer->out_full ? 1 : -1;
}
static inline uint64_t host_stamp(sb_pattern *pat)
{
    return ((rig *)pat->socket)->now;
}

static inline void host_set_alarm(sb_pattern *pat, uint64_t at)
{
    ((rig *)pat->socket)->alarm = at;
}

static inline void link_output(sb_peer *peer)
{
    ((fake *)peer)->outputs++;
}
static inline void link_subscribe(sb_peer *peer, const uint8_t *topic, size_t len, bool subscribe)
{
    fake *f = (fake *)peer;
    snprintf(f->sub[f->subs++ % NOTES], NOTES, "%c%.*s", subscribe ? '+' : '-', (int)len, topic);
}
static inline void link_kick(sb_peer *peer, sb_err why, const char *detail, bool forever)
{
    fake *f = (fake *)peer;
    assert_non_null(detail);
    f->kicks++;
    f->why = why;
    f->forever = forever;
}

static inline void link_end(sb_peer *peer)
{
    ((fake *)peer)->ends++;
}

static inline void rig_init(rig *r, sb_type type, const sb__pattern_options *options)
{
    static const sb__pattern_host host = {host_writable, host_readable, host_event, host_dropped,
        .congestion = host_congestion, .stamp = host_stamp, .set_alarm = host_set_alarm,
        .expired = host_expired};
    *r = (rig){0};
    if (options != NULL)
        r->options = *options;
    assert_int_equal(sb__pattern_create(type, &host, &r->options, r, &r->pat), SB_OK);
    assert_int_equal(r->pat->impl->type, type);
}

static inline void rig_finish(rig *r)
{
    sb__pattern_destroy(r->pat);
}

/* A peer that the pattern does not know yet; hwm in messages. */
static inline void fake_prepare(rig *r, fake *f, uint32_t hwm)
{
    static const sb__link link = {
        .output = link_output, .subscribe = link_subscribe, .kick = link_kick, .end = link_end};
    static uint64_t ids;
    *f = (fake){.peer = {.pattern = r->pat, .link = &link, .id = ++ids}};
    sb__queue_init(&f->peer.out, hwm, 0);
    sb__queue_init(&f->peer.in, hwm, 0);
    sb_list_node_init(&f->peer.active);
    sb_list_node_init(&f->peer.waiting);
    sb_list_node_init(&f->peer.member);
}

/* A peer that can be queued to. */
static inline sb_err fake_attach(rig *r, fake *f, uint32_t hwm)
{
    fake_prepare(r, f, hwm);
    sb_err err = r->pat->impl->attach != NULL ? r->pat->impl->attach(r->pat, &f->peer) : SB_OK;
    f->peer.attached = err == SB_OK;
    return err;
}

static inline sb_err fake_ready(rig *r, fake *f, const char *identity)
{
    f->info.identity = (const uint8_t *)identity;
    f->info.identity_len = identity != NULL ? (uint32_t)strlen(identity) : 0;
    f->peer.info = &f->info;
    f->peer.ready = true;
    sb_err err = r->pat->impl->ready != NULL ? r->pat->impl->ready(r->pat, &f->peer) : SB_OK;
    f->peer.ready = err == SB_OK;
    return err;
}

static inline void fake_join(rig *r, fake *f, uint32_t hwm)
{
    assert_int_equal(fake_attach(r, f, hwm), SB_OK);
    assert_int_equal(fake_ready(r, f, NULL), SB_OK);
}

static inline void fake_lost(rig *r, fake *f)
{
    f->peer.ready = false;
    f->peer.info = NULL;
    if (r->pat->impl->lost != NULL)
        r->pat->impl->lost(r->pat, &f->peer);
}

/* Gone for good, and freed as a socket would. */
static inline void fake_leave(rig *r, fake *f)
{
    f->peer.ready = false;
    f->peer.info = NULL;
    if (f->peer.attached && r->pat->impl->detach != NULL)
        r->pat->impl->detach(r->pat, &f->peer);
    f->peer.attached = false;
    assert_false(sb_list_linked(&f->peer.active));
    assert_false(sb_list_linked(&f->peer.member));
    sb__stage_destroy(f->peer.out_stage);
    f->peer.out_stage = NULL;
    sb__queue_finish(&f->peer.in);
    sb__queue_finish(&f->peer.out);
    free(f->peer.routing_id);
    f->peer.routing_id = NULL;
}

/* A message of the strings up to NULL; "" is an empty frame. */
static inline void message(sb_msg *msg, ...)
{
    va_list ap;
    const char *text;
    sb_msg_init(msg);
    va_start(ap, msg);
    while ((text = va_arg(ap, const char *)) != NULL)
        assert_int_equal(sb_msg_push(msg, text, strlen(text), NULL), SB_OK);
    va_end(ap);
}

static inline sb_err send_text(rig *r, const char *text)
{
    sb_msg msg;
    message(&msg, text, NULL);
    return r->pat->impl->send(r->pat, &msg);
}

static inline void check_frames(const sb_msg *msg, const char *expect)
{
    char text[512] = "";
    for (uint32_t i = 0; i < msg->n; i++)
        snprintf(text + strlen(text), sizeof text - strlen(text), "%s%.*s", i ? "|" : "",
            (int)msg->frames[i].len, (const char *)msg->frames[i].data);
    assert_string_equal(text, expect);
}

/* Takes the first queued message off; its frames joined with '|' are `expect`. */
static inline void check_sent(fake *f, const char *expect)
{
    sb_msg msg;
    sb_msg_init(&msg);
    assert_true(sb__queue_peek(&f->peer.out, &msg));
    check_frames(&msg, expect);
    sb_msg_finish(&msg);
    sb__queue_pop(&f->peer.out);
    sb__pipe_drained(&f->peer);
}

/* What filter says of a message; it is edited in place. */
static inline sb_err filter(rig *r, fake *f, sb_msg *msg)
{
    return r->pat->impl->filter(r->pat, &f->peer, msg);
}

#endif
