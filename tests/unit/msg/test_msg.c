/* Messages: edits keep what is true of wire and envelope; kept messages outlive their bytes. */
#include "engine/msg.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

static void assert_frame(const sb_msg *msg, uint32_t i, const char *text)
{
    assert_true(i < msg->n);
    assert_int_equal(msg->frames[i].len, strlen(text));
    assert_memory_equal(msg->frames[i].data, text, strlen(text));
}

/* What pack writes must unpack to the same frames, whatever became of wire. */
static void assert_packs(const sb_msg *msg)
{
    size_t size = sb_msg_packed_size(msg);
    uint8_t *bytes = malloc(size + SB_MSG_INLINE);
    sb_msg again;

    sb_msg_init(&again);
    sb_msg_pack(msg, bytes);
    assert_int_equal(sb_msg_unpack(&again, NULL, bytes), size);
    assert_int_equal(again.n, msg->n);
    for (uint32_t i = 0; i < msg->n; i++) {
        assert_int_equal(again.frames[i].len, msg->frames[i].len);
        assert_memory_equal(again.frames[i].data, msg->frames[i].data, msg->frames[i].len);
    }
    sb_msg_finish(&again);
    free(bytes);
}

static const uint8_t abc[] = {1, 1, 'a', 1, 0, 0, 2, 'c', 'c'};

static void test_packed_form_is_zmtp_framing(void **state)
{
    uint8_t out[sizeof abc];
    sb_msg msg;

    (void)state;
    sb_msg_init(&msg);
    sb_msg_push(&msg, "a", 1, NULL);
    sb_msg_push(&msg, NULL, 0, NULL);
    sb_msg_push(&msg, "cc", 2, NULL);
    assert_int_equal(sb_msg_packed_size(&msg), sizeof abc);
    sb_msg_pack(&msg, out);
    assert_memory_equal(out, abc, sizeof abc);
    assert_int_equal(sb_msg_size(&msg), 3);
    sb_msg_finish(&msg);
}

static void test_a_frame_of_256_octets_has_a_long_head(void **state)
{
    static const uint8_t zeros[256];
    uint8_t out[9 + 256];
    sb_msg msg;

    (void)state;
    sb_msg_init(&msg);
    sb_msg_push(&msg, zeros, 255, NULL);
    assert_int_equal(sb_msg_packed_size(&msg), 257);
    sb_msg_finish(&msg);
    sb_msg_push(&msg, zeros, 256, NULL);
    assert_int_equal(sb_msg_packed_size(&msg), 265);
    sb_msg_pack(&msg, out);
    assert_int_equal(out[0], 2);
    assert_int_equal(out[7], 1);
    assert_int_equal(out[8], 0);
    assert_packs(&msg);
    sb_msg_finish(&msg);
}

static void test_insert_in_front_keeps_the_wire(void **state)
{
    sb_msg msg;

    (void)state;
    sb_msg_init(&msg);
    assert_int_equal(sb_msg_unpack(&msg, NULL, abc), sizeof abc);
    assert_int_equal(sb_msg_insert(&msg, 0, "id", 2, NULL), SB_OK);
    assert_int_equal(msg.wire_first, 1);
    assert_int_equal(msg.wire_len, sizeof abc);
    assert_frame(&msg, 0, "id");
    assert_packs(&msg);
    sb_msg_drop_front(&msg, 1);
    assert_int_equal(msg.wire_first, 0);
    assert_ptr_equal(msg.wire, abc);
    sb_msg_drop_front(&msg, 2);
    assert_ptr_equal(msg.wire, abc + 5);
    assert_int_equal(msg.wire_len, 4);
    assert_packs(&msg);
    sb_msg_drop_front(&msg, 9);
    assert_int_equal(msg.n, 0);
    assert_int_equal(msg.wire_len, 0);
    sb_msg_finish(&msg);
}

static void test_edits_of_the_body_give_the_wire_up(void **state)
{
    sb_msg msg;

    (void)state;
    sb_msg_init(&msg);
    for (int edit = 0; edit < 5; edit++) {
        sb_msg_unpack(&msg, NULL, abc);
        assert_int_equal(edit == 0   ? sb_msg_set_copy(&msg, 1, "new", 3)
                         : edit == 1 ? sb_msg_insert_copy(&msg, 2, "new", 3)
                         : edit == 2 ? sb_msg_remove(&msg, 1)
                         : edit == 3 ? sb_msg_set(&msg, 1, "new", 3, NULL)
                                     : sb_msg_push_copy(&msg, "new", 3),
            SB_OK);
        assert_int_equal(msg.wire_len, 0);
        assert_packs(&msg);
        sb_msg_finish(&msg);
    }
    assert_int_equal(sb_msg_remove(&msg, 0), SB_EINVAL);
    assert_int_equal(sb_msg_insert_copy(&msg, 1, "x", 1), SB_EINVAL);
    assert_int_equal(sb_msg_set_copy(&msg, 0, "x", 1), SB_EINVAL);
    assert_int_equal(sb_msg_set(&msg, 0, "x", 1, NULL), SB_EINVAL);
}

static void test_envelope_follows_edits_before_it(void **state)
{
    sb_msg msg;

    (void)state;
    sb_msg_init(&msg);
    sb_msg_unpack(&msg, NULL, abc);
    msg.envelope = 2;
    assert_int_equal(sb_msg_count(&msg), 1);
    assert_int_equal(sb_msg_body_size(&msg), 2);
    sb_msg_insert(&msg, 0, "x", 1, NULL);
    assert_int_equal(msg.envelope, 3);
    sb_msg_remove(&msg, 1);
    assert_int_equal(msg.envelope, 2);
    assert_packs(&msg);
    sb_msg_insert(&msg, 2, "body", 4, NULL);
    assert_int_equal(msg.envelope, 2);
    assert_memory_equal(sb_msg_frame(&msg, 0)->data, "body", 4);
    sb_msg_drop_front(&msg, 3);
    assert_int_equal(msg.envelope, 0);
    assert_frame(&msg, 0, "cc");
    sb_msg_finish(&msg);
}

static void test_many_frames_leave_the_inline_array(void **state)
{
    sb_msg msg;

    (void)state;
    sb_msg_init(&msg);
    for (int i = 0; i < 100; i++)
        assert_int_equal(sb_msg_push_copy(&msg, &i, sizeof i), SB_OK);
    assert_packs(&msg);
    for (int i = 0; i < 100; i++)
        assert_memory_equal(msg.frames[i].data, &i, sizeof i);
    sb_msg_finish(&msg);
    assert_int_equal(msg.n, 0);
    assert_ptr_equal(msg.frames, msg.inl);
}

static void test_a_kept_small_message_does_not_pin_its_buffer(void **state)
{
    sb_buf *buf = sb_buf_create(65536);
    sb_msg msg, *kept;

    (void)state;
    memcpy(buf->data, abc, sizeof abc);
    sb_msg_init(&msg);
    sb_msg_unpack(&msg, buf, buf->data);
    msg.envelope = 2;
    assert_int_equal(sb_msg_keep(&msg, &kept), SB_OK);
    assert_int_equal(buf->refs, 1);
    sb_msg_finish(&msg);
    sb_buf_unref(buf);
    assert_frame(kept, 2, "cc");
    assert_int_equal(kept->envelope, 2);
    assert_int_equal(kept->wire_len, sizeof abc);
    sb_msg_remove(kept, 0);
    assert_packs(kept);
    sb_msg_destroy(kept);
}

static void test_a_kept_large_frame_is_referenced(void **state)
{
    sb_buf *buf = sb_buf_create(65536);
    sb_msg msg, *kept;

    (void)state;
    memset(buf->data, 'x', 65536);
    sb_msg_init(&msg);
    sb_msg_push(&msg, "topic", 5, NULL);
    sb_msg_push(&msg, buf->data + 100, 20000, buf);
    sb_msg_push(&msg, NULL, 0, NULL);
    assert_int_equal(sb_msg_keep(&msg, &kept), SB_OK);
    assert_int_equal(buf->refs, 2);
    assert_ptr_equal(kept->frames[1].data, buf->data + 100);
    assert_frame(kept, 0, "topic");
    assert_packs(kept);
    sb_msg_destroy(kept);
    assert_int_equal(buf->refs, 1);
    sb_msg_finish(&msg);
    sb_buf_unref(buf);
}

static void test_a_kept_large_run_keeps_its_wire(void **state)
{
    enum { LEN = 30000 };
    sb_buf *buf = sb_buf_create(LEN + 20);
    sb_msg plain, msg, *kept;

    (void)state;
    memset(buf->data, 'y', buf->cap);
    sb_msg_init(&plain);
    sb_msg_push_copy(&plain, "k", 1);
    sb_msg_push(&plain, buf->data + 12, LEN, NULL);
    buf->data[0] = 1;
    buf->data[1] = 1;
    memcpy(buf->data + 2, "k\2\0\0\0\0\0\0\x75\x30", 10);
    sb_msg_init(&msg);
    assert_int_equal(sb_msg_unpack(&msg, buf, buf->data), LEN + 12);
    sb_msg_insert(&msg, 0, "id", 2, NULL);
    assert_int_equal(sb_msg_keep(&msg, &kept), SB_OK);
    assert_ptr_equal(kept->wire, buf->data);
    assert_int_equal(kept->wire_first, 1);
    assert_int_equal(buf->refs, 3);
    sb_msg_finish(&msg);
    sb_msg_finish(&plain);
    sb_buf_unref(buf);
    assert_frame(kept, 1, "k");
    assert_packs(kept);
    sb_msg_destroy(kept);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_packed_form_is_zmtp_framing),
        cmocka_unit_test(test_a_frame_of_256_octets_has_a_long_head),
        cmocka_unit_test(test_insert_in_front_keeps_the_wire),
        cmocka_unit_test(test_edits_of_the_body_give_the_wire_up),
        cmocka_unit_test(test_envelope_follows_edits_before_it),
        cmocka_unit_test(test_many_frames_leave_the_inline_array),
        cmocka_unit_test(test_a_kept_small_message_does_not_pin_its_buffer),
        cmocka_unit_test(test_a_kept_large_frame_is_referenced),
        cmocka_unit_test(test_a_kept_large_run_keeps_its_wire),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
