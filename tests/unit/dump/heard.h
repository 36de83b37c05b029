/* What was said, one line after the other. */
#ifndef SB_TEST_DUMP_HEARD_H
#define SB_TEST_DUMP_HEARD_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>

typedef struct heard {
    char text[65536];
    size_t len;
} heard;

static inline void hear(void *user, const char *text)
{
    heard *h = user;
    size_t len = strlen(text);
    assert_true(h->len + len + 2 < sizeof h->text);
    memcpy(h->text + h->len, text, len);
    h->len += len;
    h->text[h->len++] = '\n';
    h->text[h->len] = '\0';
}

static inline void heard_clear(heard *h)
{
    h->len = 0;
    h->text[0] = '\0';
}

#endif
