/* A CURVE client and server under test, with the commands that went between them. */
#ifndef TEST_MECH_CURVE_PAIR_H
#define TEST_MECH_CURVE_PAIR_H

#include "engine/mech/mech.h"
#include "engine/wire/frame.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

struct pair {
    sb_curve_pair client_key, server_keys[2];
    sb__mech_config client_config, server_config;
    sb__mech client, server;
    sb__bytes out;                                               /* of whoever spoke last */
    uint8_t hello[256], welcome[256], initiate[512], ready[256]; /* whole frames */
    size_t hello_len, welcome_len, initiate_len, ready_len;
};

static inline void pair_init(struct pair *p)
{
    memset(p, 0, sizeof *p);
    assert_int_equal(sb_curve_generate(&p->client_key), SB_OK);
    for (int i = 0; i < 2; i++)
        assert_int_equal(sb_curve_generate(&p->server_keys[i]), SB_OK);
    p->client_config = (sb__mech_config){.metadata = (const uint8_t *)"client's",
        .metadata_len = 8,
        .security = {.keys = &p->client_key, .nkeys = 1, .server_key = p->server_keys[0].public_key}};
    p->server_config = (sb__mech_config){.metadata = (const uint8_t *)"server's",
        .metadata_len = 8,
        .security = {.server = true, .keys = p->server_keys, .nkeys = 2}};
}

static inline void pair_finish(struct pair *p)
{
    sb__mech_finish(&p->client);
    sb__mech_finish(&p->server);
    sb__bytes_finish(&p->out);
}

static inline size_t pair_take(struct pair *p, uint8_t *frame)
{
    size_t len = sb__bytes_len(&p->out);

    memcpy(frame, sb__bytes_data(&p->out), len);
    sb__bytes_drop(&p->out, len);
    return len;
}

/* Gives a frame's body in memory of exactly its size. */
static inline sb__mech_step pair_give(struct pair *p, sb__mech *to, const uint8_t *frame, size_t len)
{
    size_t head = (frame[0] & SB__FRAME_LONG) ? 9 : 2;
    uint8_t *body = malloc(len - head);
    sb__mech_step step;

    memcpy(body, frame + head, len - head);
    step = to->impl->command(to, body, len - head, &p->out);
    free(body);
    return step;
}

static inline void pair_start_server(struct pair *p)
{
    sb__mech_finish(&p->server);
    sb__mech_init(&p->server, sb__mech_get(SB_MECHANISM_CURVE, true), &p->server_config);
    assert_int_equal(p->server.impl->start(&p->server, &p->out), SB__MECH_ON);
    assert_int_equal(sb__bytes_len(&p->out), 0);
}

static inline void pair_start_client(struct pair *p)
{
    sb__mech_finish(&p->client);
    sb__mech_init(&p->client, sb__mech_get(SB_MECHANISM_CURVE, false), &p->client_config);
    assert_int_equal(p->client.impl->start(&p->client, &p->out), SB__MECH_ON);
    p->hello_len = pair_take(p, p->hello);
}

static inline void pair_welcome(struct pair *p)
{
    pair_start_server(p);
    pair_start_client(p);
    assert_int_equal(pair_give(p, &p->server, p->hello, p->hello_len), SB__MECH_ON);
    p->welcome_len = pair_take(p, p->welcome);
}

static inline void pair_initiate(struct pair *p)
{
    pair_welcome(p);
    assert_int_equal(pair_give(p, &p->client, p->welcome, p->welcome_len), SB__MECH_ON);
    p->initiate_len = pair_take(p, p->initiate);
}

static inline void pair_ready(struct pair *p)
{
    pair_initiate(p);
    assert_int_equal(pair_give(p, &p->server, p->initiate, p->initiate_len), SB__MECH_ASK);
    assert_int_equal(sb__bytes_len(&p->out), 0);
    assert_int_equal(p->server.impl->accept(&p->server, &p->out), SB__MECH_DONE);
    p->ready_len = pair_take(p, p->ready);
}

static inline void pair_marry(struct pair *p)
{
    pair_ready(p);
    assert_int_equal(pair_give(p, &p->client, p->ready, p->ready_len), SB__MECH_DONE);
    p->client.impl->settle(&p->client);
    p->server.impl->settle(&p->server);
}

#endif
