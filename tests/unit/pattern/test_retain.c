/* What a publisher retains: the last of each topic, limits, looking below a prefix, forgetting. */
#include "fake.h"

#include "engine/pattern/retain.h"

static void put(sb__retain *r, uint64_t now, const char *topic, const char *body)
{
    sb_msg msg;
    message(&msg, topic, body, NULL);
    sb__retain_put(r, &msg, now);
    sb_msg_finish(&msg);
}

static void append(void *arg, const sb_msg *msg)
{
    char *text = arg;
    snprintf(text + strlen(text), 512 - strlen(text), "%s%.*s=%.*s", text[0] ? " " : "",
        (int)msg->frames[0].len, (const char *)msg->frames[0].data, (int)msg->frames[1].len,
        (const char *)msg->frames[1].data);
}

static void expect(const sb__retain *r, const char *prefix, uint64_t since, const char *want)
{
    char text[512] = "";
    assert_int_equal(sb__retain_each(r, (const uint8_t *)prefix, strlen(prefix), since, append, text), SB_OK);
    assert_string_equal(text, want);
}

static void test_the_last_of_each_topic_in_their_order(void **state)
{
    (void)state;
    sb__retain_rules rules = {.last = 2};
    sb__retain *r = sb__retain_create(&rules);
    put(r, 0, "b", "1");
    put(r, 0, "a", "1");
    put(r, 0, "ab", "1");
    put(r, 0, "b", "2");
    put(r, 0, "b", "3");
    put(r, 0, "", "1");
    expect(r, "", 0, "a=1 ab=1 b=2 b=3 =1");
    expect(r, "a", 0, "a=1 ab=1");
    expect(r, "ab", 0, "ab=1");
    expect(r, "abc", 0, "");
    expect(r, "b", 0, "b=2 b=3");
    assert_int_equal(sb__retain_messages(r), 5);
    sb__retain_destroy(r);
}

static void test_a_topic_may_be_the_first_octets(void **state)
{
    (void)state;
    sb__retain_rules rules = {.last = 2, .prefix = 2};
    sb__retain *r = sb__retain_create(&rules);
    put(r, 0, "ab1", "1");
    put(r, 0, "ab2", "1");
    put(r, 0, "ab3", "1");
    put(r, 0, "ac1", "1");
    put(r, 0, "a", "1");
    expect(r, "", 0, "ab2=1 ab3=1 ac1=1 a=1");
    expect(r, "ab3", 0, "ab3=1");
    expect(r, "ab", 0, "ab2=1 ab3=1");
    expect(r, "a", 0, "ab2=1 ab3=1 ac1=1 a=1");
    expect(r, "ab33", 0, "");
    sb__retain_destroy(r);
}

static void test_limits_take_the_oldest(void **state)
{
    (void)state;
    sb__retain_rules rules = {.last = 10, .messages = 3};
    sb__retain *r = sb__retain_create(&rules);
    for (int i = 0; i < 5; i++)
        put(r, 0, i % 2 ? "x" : "y", i % 2 ? "1" : "2");
    assert_int_equal(sb__retain_messages(r), 3);
    expect(r, "", 0, "y=2 x=1 y=2");
    rules = (sb__retain_rules){.last = 10, .bytes = 12}; /* six octets each */
    put(r, 0, "z", "9");
    assert_int_equal(sb__retain_bytes(r), 12);
    expect(r, "", 0, "y=2 z=9");
    put(r, 0, "z", "a body beyond the limit");
    assert_int_equal(sb__retain_bytes(r), 0);
    expect(r, "", 0, "");
    sb__retain_destroy(r);
}

static void test_age_and_forgetting(void **state)
{
    (void)state;
    sb__retain_rules rules = {.last = 10};
    sb__retain *r = sb__retain_create(&rules);
    put(r, 1, "a", "1");
    put(r, 2, "ab", "2");
    put(r, 3, "b", "3");
    expect(r, "", 2, "ab=2 b=3");
    assert_int_equal(sb__retain_forget(r, (const uint8_t *)"a", 1), 1); /* not what begins so */
    expect(r, "", 0, "ab=2 b=3");
    assert_int_equal(sb__retain_forget(r, (const uint8_t *)"", 0), 0);
    assert_int_equal(sb__retain_forget(r, NULL, 0), 2);
    assert_int_equal(sb__retain_forget(r, NULL, 0), 0);
    assert_int_equal(sb__retain_bytes(r), 0);
    sb__retain_destroy(r);
}

static void test_many_topics_come_and_go(void **state)
{
    (void)state;
    enum { TOPICS = 3000 };
    sb__retain_rules rules = {.last = 1, .messages = 1000};
    sb__retain *r = sb__retain_create(&rules);
    char name[16], text[512] = "";
    for (int i = 0; i < TOPICS; i++) {
        snprintf(name, sizeof name, "t%d", (i * 7919) % TOPICS);
        put(r, 0, name, "x");
    }
    assert_int_equal(sb__retain_messages(r), 1000);
    snprintf(name, sizeof name, "t%d", ((TOPICS - 1) * 7919) % TOPICS);
    assert_int_equal(sb__retain_each(r, (const uint8_t *)name, strlen(name), 0, append, text), SB_OK);
    assert_non_null(strstr(text, name));
    sb__retain_destroy(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_last_of_each_topic_in_their_order),
        cmocka_unit_test(test_a_topic_may_be_the_first_octets),
        cmocka_unit_test(test_limits_take_the_oldest),
        cmocka_unit_test(test_age_and_forgetting),
        cmocka_unit_test(test_many_topics_come_and_go),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
