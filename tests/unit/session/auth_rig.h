/* Two sessions under test of which one asks about the other; what is asked becomes a line of the server's
 * log. */
#ifndef TEST_SESSION_AUTH_RIG_H
#define TEST_SESSION_AUTH_RIG_H

#include "tests/unit/session/rig.h"

struct auth_rig {
    struct rig client, server;
    sb_curve_pair client_key, server_key;
    sb_session_config client_config, server_config;
};

static inline sb_err rig_on_auth(sb_session *s, const sb_credentials *c, const sb_peer_info *info)
{
    struct rig *r = sb_session_data(s);

    rig_note(r, "ask %s %s %s %s\n", sb_mechanism_name(c->mechanism), c->username, c->password,
        info != NULL ? sb_type_name(info->type) : "-");
    return SB_OK;
}

static const sb_session_events auth_events = {
    .on_ready = rig_on_ready,
    .on_msg = rig_on_msg,
    .on_subscribe = rig_on_subscribe,
    .on_rtt = rig_on_rtt,
    .on_auth = rig_on_auth,
};

/* Configurations of a pair that would get along. */
static inline void auth_prepare(struct auth_rig *a, sb_mechanism mechanism, sb_type client, sb_type server)
{
    memset(a, 0, sizeof *a);
    sb_curve_generate(&a->client_key);
    sb_curve_generate(&a->server_key);
    a->client_config = rig_config(client);
    a->server_config = rig_config(server);
    a->client_config.security = (sb_security){.mechanisms = SB_MECHANISM_BIT(mechanism),
        .username = "ada",
        .password = "secret",
        .keys = &a->client_key,
        .nkeys = 1,
        .server_key = a->server_key.public_key};
    a->server_config.security = (sb_security){.mechanisms = SB_MECHANISM_BIT(mechanism),
        .server = true,
        .ask = true,
        .keys = &a->server_key,
        .nkeys = 1};
}

static inline void auth_start_one(struct rig *r, const sb_session_config *cfg)
{
    memset(r, 0, sizeof *r);
    r->now = 1 * S;
    assert_int_equal(sb_session_create(cfg, &auth_events, r, r->now, &r->s), SB_OK);
}

static inline void auth_start(struct auth_rig *a)
{
    auth_start_one(&a->client, &a->client_config);
    auth_start_one(&a->server, &a->server_config);
}

static inline void auth_finish(struct auth_rig *a)
{
    rig_finish(&a->client);
    rig_finish(&a->server);
}

static inline sb_err auth_answer(struct auth_rig *a, unsigned status, const char *user_id)
{
    sb_session_verdict v = {.status = status, .user_id = user_id, .text = "so it is"};

    return a->server.err = sb_session_answer(a->server.s, &v, a->server.now);
}

/* Both are READY and have nothing to say; logs are empty. */
static inline void auth_marry(struct auth_rig *a)
{
    auth_start(a);
    rig_marry(&a->client, &a->server);
    assert_non_null(strstr(a->server.log, "ask "));
    assert_int_equal(auth_answer(a, 200, "ada's id"), SB_OK);
    rig_marry(&a->client, &a->server);
    rig_marry(&a->server, &a->client);
    assert_int_equal(sb_session_get_state(a->client.s), SB_SESSION_READY);
    assert_int_equal(sb_session_get_state(a->server.s), SB_SESSION_READY);
    a->client.log[0] = a->server.log[0] = '\0';
}

#endif
