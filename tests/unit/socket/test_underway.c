/* Messages that are looked at while what holds them changes: nothing of them moves. */
#include "tests/unit/socket/bench.h"

/* Over inproc the handler that gets a message may send back before it is done: what makes room for that is
 * not what is being looked at. */
typedef struct echo {
    sb_handler base;
    sb_socket *other; /* whose queue is filled from here */
    size_t n;
} echo;

static sb_err echo_msg(sb_handler *self, sb_socket *sock, sb_peer *peer, sb_msg *msg)
{
    echo *e = (echo *)self;
    (void)sock, (void)peer;
    assert_int_equal(sb_msg_frame(msg, 0)->len, 1);
    uint8_t octet = sb_msg_frame(msg, 0)->data[0];
    for (int i = 0; i < 4; i++)
        send_text(e->other, "x");
    assert_int_equal(sb_msg_frame(msg, 0)->data[0], octet);
    e->n++;
    return SB_OK;
}

static void test_a_message_on_its_way_stays_whatever_makes_room(void **state)
{
    (void)state;
    static const sb_opt opts[] = {SB_OPT_ON_FULL, SB_OPT_ON_FULL, SB_OPT_CONFLATE};
    static const int values[] = {SB_ON_FULL_DISCONNECT, SB_ON_FULL_DROP_OLD, 1};
    for (size_t i = 0; i < 3; i++) {
        bench b;
        echo e = {.base = {.on_msg = echo_msg}};
        bench_open(&b);
        sb_socket *from = open_socket(&b, SB_DEALER, NULL), *to = open_socket(&b, SB_DEALER, NULL);
        sb_socket_set_handler(to, &e.base);
        e.other = from;
        set_int(from, SB_OPT_SNDHWM, 2);
        set_int(from, opts[i], values[i]);
        bind_to(to, "inproc://reentry");
        connect_to(from, "inproc://reentry");
        settle(&b);
        send_text(from, "a");
        for (int k = 0; k < 10; k++) /* it feeds itself: a few turns are enough */
            sb_engine_step(b.engine);
        assert_true(e.n > 0);
        sb_socket_set_handler(to, NULL);
        bench_close(&b);
    }
}

/* One packed form for many subscribers, of frames that lie elsewhere: who keeps it for later keeps all. */
static void test_what_is_published_to_many_may_wait_in_stages(void **state)
{
    (void)state;
    enum { SIZE = 3000, SUBS = 3 };
    bench b;
    ear in[SUBS];
    char body[SIZE];
    bench_open(&b);
    sb_socket *pub = open_socket(&b, SB_PUB, NULL);
    set_int(pub, SB_OPT_MESSAGE_TTL, 60000);
    bind_to(pub, "tcp://127.0.0.1:5555");
    for (int i = 0; i < SUBS; i++) {
        sb_socket *sub = open_socket(&b, SB_SUB, &in[i]);
        sb_socket_subscribe(sub, "t", 1);
        connect_to(sub, "tcp://127.0.0.1:5555");
    }
    settle(&b);
    for (int i = 0; i < 5; i++) {
        sb_msg msg;
        sb_msg_init(&msg);
        memset(body, 'a' + i, sizeof body);
        sb_msg_push(&msg, "t", 1, NULL);
        sb_msg_push(&msg, body, sizeof body, NULL);
        sb_msg_push(&msg, body, sizeof body, NULL);
        assert_int_equal(sb_socket_send(pub, &msg), SB_OK);
        sb_msg_finish(&msg);
    }
    memset(body, '?', sizeof body);
    settle(&b);
    for (int i = 0; i < SUBS; i++) {
        assert_int_equal(in[i].n, 5);
        for (int k = 0; k < 5; k++) {
            assert_int_equal(strlen(in[i].seen[k]), 2 * SIZE + 3);
            assert_int_equal(strspn(in[i].seen[k] + 2, (char[]){(char)('a' + k), '\0'}), SIZE);
        }
        ear_clear(&in[i]);
    }
    bench_close(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_message_on_its_way_stays_whatever_makes_room),
        cmocka_unit_test(test_what_is_published_to_many_may_wait_in_stages),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
