/* The pool of chunks: what it keeps, and what it hands out first. */
#include "engine/pattern/pool.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

/* What was used last is most likely still in the processor's cache. */
static void test_the_last_one_given_back_is_handed_out_first(void **state)
{
    (void)state;
    sb__pool *pool = sb__pool_create(2);
    sb_buf *a = sb__pool_get(pool), *b = sb__pool_get(pool);
    assert_int_equal(a->cap, SB__POOL_CHUNK);
    sb_buf_unref(a);
    sb_buf_unref(b);
    sb_buf *first = sb__pool_get(pool), *second = sb__pool_get(pool);
    assert_ptr_equal(first, b);
    assert_ptr_equal(second, a);
    sb_buf_unref(first);
    sb_buf_unref(second);
    sb__pool_destroy(pool);
}

/* What goes round in a queue of KEEP chunks is kept, or its pages would be given back and taken again. */
static void test_as_many_are_kept_as_it_was_told(void **state)
{
    enum { KEEP = 200 };
    sb_buf *bufs[KEEP], *again;
    (void)state;
    sb__pool *pool = sb__pool_create(KEEP);
    for (int i = 0; i < KEEP; i++)
        bufs[i] = sb__pool_get(pool);
    for (int i = 0; i < KEEP; i++)
        sb_buf_unref(bufs[i]);
    for (int i = KEEP - 1; i >= 0; i--) {
        again = sb__pool_get(pool);
        assert_ptr_equal(again, bufs[i]);
    }
    for (int i = 0; i < KEEP; i++)
        sb_buf_unref(bufs[i]);
    sb__pool_destroy(pool);
}

static void test_a_chunk_outlives_its_pool(void **state)
{
    (void)state;
    sb__pool *pool = sb__pool_create(1);
    sb_buf *buf = sb__pool_get(pool);
    sb__pool_destroy(pool);
    buf->data[SB__POOL_CHUNK - 1] = 1;
    sb_buf_unref(buf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_last_one_given_back_is_handed_out_first),
        cmocka_unit_test(test_as_many_are_kept_as_it_was_told),
        cmocka_unit_test(test_a_chunk_outlives_its_pool),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
