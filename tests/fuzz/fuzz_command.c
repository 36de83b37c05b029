/* Any octets as the body of a command: nothing outside of it is read, and what we understood we write again
 * the same way. */
#include "engine/wire/command.h"
#include "engine/wire/frame.h"
#include "tests/fuzz/fuzz.h"

/* The body of the frame that was written into `out`. */
static sb__cursor body_of(const sb__bytes *out, sb__command_id want)
{
    unsigned flags = 0;
    uint64_t len = 0;
    sb__command_id id;
    sb__cursor data;
    size_t head = sb__frame_get(sb__bytes_data(out), sb__bytes_len(out), &flags, &len);
    FUZZ_CHECK(head > 0 && (flags & SB__FRAME_COMMAND) && head + len == sb__bytes_len(out));
    FUZZ_CHECK(sb__command_get(sb__bytes_data(out) + head, len, &id, &data) && id == want);
    return data;
}

static void check_ping(sb__cursor data)
{
    sb__ping ping, again;
    sb__bytes out = {0};
    if (!sb__ping_get(data, &ping))
        return;
    FUZZ_CHECK(ping.context_len <= SB__PING_CONTEXT);
    sb__ping_put(&out, &ping);
    FUZZ_CHECK(sb__ping_get(body_of(&out, SB__COMMAND_PING), &again));
    FUZZ_CHECK(again.ttl == ping.ttl && again.context_len == ping.context_len);
    FUZZ_CHECK(memcmp(again.context, ping.context, ping.context_len) == 0);
    sb__bytes_finish(&out);
}

static void check_pong(sb__cursor data)
{
    sb__ping pong, again;
    sb__bytes out = {0};
    if (!sb__pong_get(data, &pong))
        return;
    sb__pong_put(&out, &pong);
    FUZZ_CHECK(sb__pong_get(body_of(&out, SB__COMMAND_PONG), &again));
    FUZZ_CHECK(memcmp(again.context, pong.context, pong.context_len) == 0);
    sb__bytes_finish(&out);
}

static void check_error(sb__cursor data)
{
    const uint8_t *reason;
    uint8_t len;
    if (!sb__error_get(data, &reason, &len))
        return;
    char text[256] = {0};
    sb__bytes out = {0};
    memcpy(text, reason, len);
    sb__error_put(&out, text);
    FUZZ_CHECK(sb__error_get(body_of(&out, SB__COMMAND_ERROR), &reason, &len) && len == strlen(text));
    sb__bytes_finish(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_input in = fuzz_input_of(data, size);
    size_t len;
    uint8_t *body = fuzz_take(&in, size, &len);
    sb__command_id id = SB__COMMAND_COUNT;
    sb__cursor rest;
    if (sb__command_get(body, len, &id, &rest)) {
        FUZZ_CHECK(id < SB__COMMAND_COUNT && rest.end == body + len && rest.p > body && rest.p <= rest.end);
        check_ping(rest);
        check_pong(rest);
        check_error(rest);
    }
    free(body);
    return 0;
}
