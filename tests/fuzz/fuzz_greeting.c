/* Any octets as a greeting: the verdict may only move forwards, and what we write we read back. */
#include "engine/wire/greeting.h"
#include "tests/fuzz/fuzz.h"

static void check_stages(const uint8_t *p, size_t len)
{
    sb__greeting_verdict last = SB__GREETING_MORE;
    size_t out = 0;
    for (size_t n = 0; n <= len; n++) {
        sb__greeting_verdict now = sb__greeting_check(p, n);
        FUZZ_CHECK(last == SB__GREETING_MORE || now == last);
        FUZZ_CHECK(now != SB__GREETING_DONE || n >= SB__GREETING_SIZE);
        FUZZ_CHECK(sb__greeting_stage(n) >= out && sb__greeting_stage(n) <= SB__GREETING_SIZE);
        out = sb__greeting_stage(n);
        last = now;
    }
}

static void check_round_trip(const uint8_t *p)
{
    sb__greeting read, again;
    uint8_t octets[SB__GREETING_SIZE];
    sb__greeting_get(p, &read);
    sb__greeting_put(octets, read.mechanism, read.as_server);
    FUZZ_CHECK(sb__greeting_check(octets, sizeof octets) == SB__GREETING_DONE);
    sb__greeting_get(octets, &again);
    FUZZ_CHECK(strcmp(read.mechanism, again.mechanism) == 0 && read.as_server == again.as_server);
    FUZZ_CHECK(again.major == 3 && again.minor == 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_input in = fuzz_input_of(data, size);
    size_t len;
    uint8_t *p = fuzz_take(&in, 100, &len);
    check_stages(p, len);
    if (sb__greeting_check(p, len) == SB__GREETING_DONE)
        check_round_trip(p);
    free(p);
    return 0;
}
