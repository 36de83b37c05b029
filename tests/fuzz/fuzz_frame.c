/* Messages of any shape, packed and unpacked; heads of any octets, read where they end. */
#include "engine/msg.h"
#include "engine/wire/frame.h"
#include "tests/fuzz/fuzz.h"

#define MAX_FRAMES 40

/* However little of a head is there, none of it is read twice differently. */
static void check_head(const uint8_t *p, size_t len)
{
    unsigned flags = 0;
    uint64_t body = 0;
    size_t head = sb__frame_get(p, len, &flags, &body);
    FUZZ_CHECK(head == 0 || head == 2 || head == SB__FRAME_HEAD);
    FUZZ_CHECK(head <= len);
    if (head == 0)
        return;
    uint8_t out[SB__FRAME_HEAD];
    unsigned again;
    uint64_t body_again;
    size_t written = sb__frame_put(out, flags & (SB__FRAME_MORE | SB__FRAME_COMMAND), body);
    FUZZ_CHECK(written == sb__frame_head_size(body));
    FUZZ_CHECK(sb__frame_get(out, written, &again, &body_again) == written && body_again == body);
}

static void same(const sb_msg *a, const sb_msg *b)
{
    FUZZ_CHECK(a->n == b->n);
    for (uint32_t i = 0; i < a->n; i++) {
        FUZZ_CHECK(a->frames[i].len == b->frames[i].len);
        FUZZ_CHECK(
            a->frames[i].len == 0 || memcmp(a->frames[i].data, b->frames[i].data, a->frames[i].len) == 0);
    }
}

static void check_packed(const sb_msg *msg)
{
    size_t size = sb_msg_packed_size(msg);
    sb_buf *buf = sb_buf_create(size);
    sb_msg view, *kept;
    sb_msg_init(&view);
    sb_msg_pack(msg, buf->data);
    FUZZ_CHECK(sb_msg_unpack(&view, buf, buf->data) == size);
    same(msg, &view);
    FUZZ_CHECK(sb_msg_keep(&view, &kept) == SB_OK);
    same(msg, kept);
    sb_msg_destroy(kept);
    sb_msg_finish(&view);
    sb_buf_unref(buf);
}

/* An edit by position, so that what is in front and behind stays what it was. */
static void edit(sb_msg *msg, fuzz_input *in)
{
    uint8_t what = fuzz_u8(in), text[3] = {fuzz_u8(in), fuzz_u8(in), 7};
    uint32_t at = fuzz_u8(in);
    if (what % 4 == 0)
        sb_msg_insert_copy(msg, at, text, sizeof text);
    else if (what % 4 == 1)
        sb_msg_set_copy(msg, at, text, sizeof text);
    else if (what % 4 == 2 && msg->n > 1)
        sb_msg_remove(msg, at);
    else if (at < msg->n)
        sb_msg_drop_front(msg, at);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_input in = fuzz_input_of(data, size);
    uint8_t *bodies[MAX_FRAMES];
    uint32_t n = 0;
    sb_msg msg;
    check_head(data, size);
    sb_msg_init(&msg);
    while (n < MAX_FRAMES && fuzz_left(&in) > 1) {
        size_t got, len = fuzz_u8(&in);
        bodies[n] = fuzz_take(&in, len == 255 ? 700 : len, &got);
        FUZZ_CHECK(sb_msg_push(&msg, bodies[n++], got, NULL) == SB_OK);
    }
    in = fuzz_input_of(data, size);
    for (int edits = fuzz_u8(&in) % 4; edits > 0; edits--)
        edit(&msg, &in);
    if (msg.n > 0)
        check_packed(&msg);
    sb_msg_finish(&msg);
    while (n > 0)
        free(bodies[--n]);
    return 0;
}
