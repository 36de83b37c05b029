/* Letting peers in: every mechanism waits for the answer, every refusal ends it, nothing passes before. */
#include "tests/unit/session/auth_rig.h"

static void test_every_mechanism_asks_and_lets_in(void **state)
{
    static const char *const asked[SB_MECHANISM_COUNT] = {
        "ask NULL   DEALER\n", "ask PLAIN ada secret -\n", "ask CURVE   DEALER\n"};
    struct auth_rig a;

    (void)state;
    for (int m = 0; m < SB_MECHANISM_COUNT; m++) {
        auth_prepare(&a, (sb_mechanism)m, SB_DEALER, SB_ROUTER);
        auth_start(&a);
        rig_marry(&a.client, &a.server);
        assert_string_equal(a.server.log, asked[m]);
        assert_int_equal(sb_session_get_state(a.server.s), SB_SESSION_HANDSHAKE);
        assert_int_equal(sb_session_get_state(a.client.s), SB_SESSION_HANDSHAKE);
        auth_answer(&a, 200, "id");
        rig_marry(&a.server, &a.client);
        assert_int_equal(sb_session_get_state(a.server.s), SB_SESSION_READY);
        assert_int_equal(sb_session_get_state(a.client.s), SB_SESSION_READY);
        assert_string_equal(sb_session_peer(a.server.s)->user_id, "id");
        assert_string_equal(sb_session_peer(a.server.s)->mechanism, sb_mechanism_name((sb_mechanism)m));
        assert_int_equal(strlen(sb_session_peer(a.server.s)->key), m == SB_MECHANISM_CURVE ? 40 : 0);
        assert_string_equal(sb_session_peer(a.client.s)->user_id, "");
        assert_int_equal(auth_answer(&a, 200, "again"), SB_EFSM);
        auth_finish(&a);
    }
}

static void test_a_refusal_ends_it_and_says_the_status(void **state)
{
    static const unsigned statuses[] = {300, 400, 500, 0, 999};
    struct auth_rig a;

    (void)state;
    for (int m = 0; m < SB_MECHANISM_COUNT; m++)
        for (int i = 0; i < 5; i++) {
            bool told = statuses[i] == 400 || statuses[i] == 500;
            const char *detail;

            auth_prepare(&a, (sb_mechanism)m, SB_DEALER, SB_ROUTER);
            auth_start(&a);
            rig_marry(&a.client, &a.server);
            assert_int_equal(auth_answer(&a, statuses[i], NULL), SB_EACCES);
            rig_assert_over(&a.server, SB_EACCES, SB_CAUSE_AUTH);
            sb_session_why(a.server.s, &detail);
            assert_non_null(strstr(detail, "so it is"));
            assert_int_equal(rig_marry(&a.server, &a.client), told ? 12 : 0);
            if (told)
                rig_assert_over(&a.client, SB_EREFUSED, SB_CAUSE_AUTH);
            assert_null(sb_session_peer(a.server.s));
            auth_finish(&a);
        }
}

static void test_without_anybody_to_ask_nobody_comes_in(void **state)
{
    struct auth_rig a;

    (void)state;
    for (int m = 0; m < SB_MECHANISM_COUNT; m++) {
        auth_prepare(&a, (sb_mechanism)m, SB_DEALER, SB_ROUTER);
        auth_start_one(&a.client, &a.client_config);
        rig_init_with(&a.server, &a.server_config); /* events without on_auth */
        rig_marry(&a.client, &a.server);
        rig_assert_over(&a.server, SB_EACCES, SB_CAUSE_AUTH);
        auth_finish(&a);
    }
}

/* PLAIN without a question would be no mechanism at all: it is asked about even where the configuration
 * forgot to. */
static void test_a_plain_server_asks_whatever_is_configured(void **state)
{
    struct auth_rig a;

    (void)state;
    auth_prepare(&a, SB_MECHANISM_PLAIN, SB_DEALER, SB_ROUTER);
    a.server_config.security.ask = false;
    auth_start(&a);
    rig_marry(&a.client, &a.server);
    assert_string_equal(a.server.log, "ask PLAIN ada secret -\n");
    assert_int_equal(sb_session_get_state(a.server.s), SB_SESSION_HANDSHAKE);
    auth_finish(&a);
}

/* What comes while the answer is awaited stays where it is. */
static void test_no_octet_is_taken_while_the_answer_is_awaited(void **state)
{
    struct auth_rig a;

    (void)state;
    auth_prepare(&a, SB_MECHANISM_NULL, SB_DEALER, SB_ROUTER);
    auth_start_one(&a.server, &a.server_config);
    assert_int_equal(FEED(&a.server, GREETING_31 READY_DEALER "\0\1x"), 64 + sizeof READY_DEALER - 1);
    assert_int_equal(FEED(&a.server, "\0\1x"), 0);
    assert_int_equal(a.server.err, SB_OK);
    a.server.log[0] = '\0';
    assert_int_equal(auth_answer(&a, 200, ""), SB_OK);
    assert_int_equal(FEED(&a.server, "\0\1x"), 3);
    assert_string_equal(a.server.log, "ready DEALER 3.1 \nmsg [x]\n");
    rig_finish(&a.server);
}

static void test_the_handshake_deadline_holds_while_the_answer_is_awaited(void **state)
{
    struct auth_rig a;

    (void)state;
    auth_prepare(&a, SB_MECHANISM_PLAIN, SB_DEALER, SB_ROUTER);
    a.server_config.handshake_ivl = 2 * S;
    auth_start(&a);
    rig_marry(&a.client, &a.server);
    assert_true(sb_session_deadline(a.server.s) == 3 * S);
    assert_int_equal(a.server.err = sb_session_expire(a.server.s, 3 * S), SB_ETIMEDOUT);
    rig_assert_over(&a.server, SB_ETIMEDOUT, SB_CAUSE_TIMEOUT);
    assert_int_equal(auth_answer(&a, 200, ""), SB_ETIMEDOUT);
    auth_finish(&a);
}

/* A message, a subscription, a PING instead of what the mechanism wants. */
static void test_nothing_passes_before_the_handshake_is_done(void **state)
{
    static const struct {
        const char *bytes;
        size_t len;
    } early[] = {{"\0\1x", 3}, {"\0\2\1t", 4}, {"\4\13\11SUBSCRIBEt", 13}, {"\4\7\4PING\0\0", 9},
        {"\4\11\7MESSAGEx", 11}, {"\4\6\5READY", 8}};
    struct auth_rig a;

    (void)state;
    for (int m = SB_MECHANISM_PLAIN; m < SB_MECHANISM_COUNT; m++)
        for (size_t i = 0; i < 6; i++) {
            uint8_t greeting[64];

            auth_prepare(&a, (sb_mechanism)m, SB_SUB, SB_XPUB);
            auth_start(&a);
            rig_take(&a.client, greeting, sizeof greeting);
            memcpy(greeting + 10, "\3\1", 2);
            memset(greeting + 12, 0, 52);
            strcpy((char *)greeting + 12, sb_mechanism_name((sb_mechanism)m));
            rig_feed(&a.server, greeting, 64);
            rig_feed(&a.server, early[i].bytes, early[i].len);
            rig_assert_over(&a.server, SB_EPROTO, SB_CAUSE_FRAME);
            assert_string_equal(a.server.log, "");
            auth_finish(&a);
        }
}

/* ---- which mechanism ---- */

static const char *const versions[] = {"\0", "\1", "\3\0", "\3\1"};

/* Every mechanism of a client against every set of a server, for every version. */
static void test_only_pairs_that_were_allowed_meet(void **state)
{
    struct auth_rig a;

    (void)state;
    for (uint32_t set = 1; set < 8; set++)
        for (int m = 0; m < SB_MECHANISM_COUNT; m++)
            for (int v = 0; v < 4; v++) {
                uint8_t greeting[64] = {0xff, [9] = 0x7f};

                auth_prepare(&a, (sb_mechanism)m, SB_DEALER, SB_ROUTER);
                a.server_config.security.mechanisms = set;
                auth_start_one(&a.server, &a.server_config);
                memcpy(greeting + 10, versions[v], 2);
                strcpy((char *)greeting + 12, sb_mechanism_name((sb_mechanism)m));
                greeting[32] = (uint8_t)(v & 1); /* as-server is not looked at */
                rig_feed(&a.server, greeting, 64);
                if (v < 2)
                    rig_assert_over(&a.server, SB_EPROTO, SB_CAUSE_GREETING);
                else if ((set >> m & 1) == 0)
                    rig_assert_over(&a.server, SB_EMECHANISM, SB_CAUSE_MECHANISM);
                else
                    assert_int_equal(sb_session_get_state(a.server.s), SB_SESSION_HANDSHAKE);
                rig_finish(&a.server);
            }
}

static void test_a_server_of_several_mechanisms_takes_the_clients(void **state)
{
    struct auth_rig a;

    (void)state;
    for (int m = 0; m < SB_MECHANISM_COUNT; m++) {
        auth_prepare(&a, (sb_mechanism)m, SB_DEALER, SB_ROUTER);
        a.server_config.security.mechanisms = 7;
        auth_marry(&a);
        assert_string_equal(sb_session_peer(a.server.s)->mechanism, sb_mechanism_name((sb_mechanism)m));
        auth_finish(&a);
    }
}

static void test_configurations_without_sense_are_refused(void **state)
{
    struct auth_rig a;
    sb_session *s = NULL;

    (void)state;
    auth_prepare(&a, SB_MECHANISM_CURVE, SB_DEALER, SB_ROUTER);
    a.client_config.security.server_key = NULL;
    assert_int_equal(sb_session_create(&a.client_config, &auth_events, NULL, 0, &s), SB_EINVAL);
    a.server_config.security.nkeys = 0;
    assert_int_equal(sb_session_create(&a.server_config, &auth_events, NULL, 0, &s), SB_EINVAL);
    a.client_config.security.mechanisms = 3; /* a client of two */
    assert_int_equal(sb_session_create(&a.client_config, &auth_events, NULL, 0, &s), SB_EINVAL);
    a.client_config.security.mechanisms = 8;
    assert_int_equal(sb_session_create(&a.client_config, &auth_events, NULL, 0, &s), SB_EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_mechanism_asks_and_lets_in),
        cmocka_unit_test(test_a_refusal_ends_it_and_says_the_status),
        cmocka_unit_test(test_without_anybody_to_ask_nobody_comes_in),
        cmocka_unit_test(test_a_plain_server_asks_whatever_is_configured),
        cmocka_unit_test(test_no_octet_is_taken_while_the_answer_is_awaited),
        cmocka_unit_test(test_the_handshake_deadline_holds_while_the_answer_is_awaited),
        cmocka_unit_test(test_nothing_passes_before_the_handshake_is_done),
        cmocka_unit_test(test_only_pairs_that_were_allowed_meet),
        cmocka_unit_test(test_a_server_of_several_mechanisms_takes_the_clients),
        cmocka_unit_test(test_configurations_without_sense_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
