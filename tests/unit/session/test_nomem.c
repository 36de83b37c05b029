/* A whole session with every allocation failing once: the session ends or the call is refused, nothing leaks,
 * nothing of half a command is sent. The files that allocate are compiled in, over an allocator that can be
 * told to fail. */
#include "tests/unit/session/rig.h"

static long allowed = -1; /* allocations that still succeed; < 0: all */
static bool failed;

static bool refused(void)
{
    if (allowed != 0) {
        allowed -= allowed > 0;
        return false;
    }
    allowed = -1; /* one failure; what follows finds memory again */
    failed = true;
    return true;
}

static void *try_malloc(size_t size)
{
    return refused() ? NULL : malloc(size);
}

static void *try_calloc(size_t n, size_t size)
{
    return refused() ? NULL : calloc(n, size);
}

static void *try_realloc(void *p, size_t size)
{
    return refused() ? NULL : realloc(p, size);
}

#define malloc  try_malloc
#define calloc  try_calloc
#define realloc try_realloc
#define grow    grow_bytes
#include "engine/base/bytes.c"
#undef grow
#define grow grow_assembly
#include "engine/session/assembly.c"
#undef grow
#include "engine/session/peer.c"
#include "engine/session/session.c"
#undef malloc
#undef calloc
#undef realloc

static sb_err life(struct rig *r)
{
    static uint8_t topic[5000];
    sb_property extra = {.name = "X-a", .value = (uint8_t *)"b", .value_len = 1};
    sb_session_config cfg = rig_config(SB_XPUB);
    sb_err err;

    cfg.metadata = &extra;
    cfg.nmetadata = 1;
    memset(r, 0, sizeof *r);
    r->now = S;
    err = sb_session_create(&cfg, &rig_events, r, r->now, &r->s);
    if (err != SB_OK)
        return err;
    rig_feed_pieces(r, (const uint8_t *)GREETING_31 READY_SUB, 64 + 27, 7);
    if (r->err == SB_OK)
        err = sb_session_subscribe(r->s, topic, sizeof topic, true);
    if (r->err == SB_OK)
        rig_feed_pieces(r, (const uint8_t *)"\1\1a\2\0\0\0\0\0\0\2\0hello, half of it", 28, 3);
    if (r->err == SB_OK)
        FEED(r, "\4\7\4PING\0\0");
    return r->err == SB_OK ? err : r->err;
}

static void test_every_allocation_may_fail(void **state)
{
    long n = 0;

    (void)state;
    do {
        const uint8_t *out;
        struct rig r;
        sb_err err;

        failed = false;
        allowed = n++;
        err = life(&r);
        allowed = -1;
        assert_int_equal(err, failed ? SB_ENOMEM : SB_OK);
        if (r.s != NULL && r.err != SB_OK) {
            rig_assert_over(&r, SB_ENOMEM, SB_CAUSE_NONE);
            (void)sb_session_output(r.s, &out);
        }
        rig_finish(&r);
    } while (failed);
    assert_in_range(n, 8, 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_allocation_may_fail),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
