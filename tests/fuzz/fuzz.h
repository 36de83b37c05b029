/* What the targets share: the entry libFuzzer knows, checks that stay on in every build, octets taken from
 * the input. One target per file fuzz_NAME.c; a corpus per target in corpus/NAME. */
#ifndef SB_FUZZ_H
#define SB_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A broken promise is a crash, also without sanitizers. */
#define FUZZ_CHECK(what)                                                                                     \
    do {                                                                                                     \
        if (!(what)) {                                                                                       \
            fprintf(stderr, "%s:%d: broken: %s\n", __FILE__, __LINE__, #what);                               \
            abort();                                                                                         \
        }                                                                                                    \
    } while (0)

/* The input, read from the front; 0 and nothing when it is used up. */
typedef struct fuzz_input {
    const uint8_t *p, *end;
} fuzz_input;

static inline fuzz_input fuzz_input_of(const uint8_t *data, size_t size)
{
    return (fuzz_input){.p = data, .end = data + size};
}

static inline size_t fuzz_left(const fuzz_input *in)
{
    return (size_t)(in->end - in->p);
}

static inline uint8_t fuzz_u8(fuzz_input *in)
{
    return in->p < in->end ? *in->p++ : 0;
}

static inline uint32_t fuzz_u32(fuzz_input *in)
{
    uint32_t v = 0;
    for (int i = 0; i < 4; i++)
        v = v << 8 | fuzz_u8(in);
    return v;
}

/* Up to `len` octets, in a block of exactly their number: one octet beyond it is seen. The caller frees it.
 */
static inline uint8_t *fuzz_take(fuzz_input *in, size_t len, size_t *got)
{
    *got = len < fuzz_left(in) ? len : fuzz_left(in);
    uint8_t *block = malloc(*got > 0 ? *got : 1);
    if (block == NULL)
        abort();
    if (*got > 0)
        memcpy(block, in->p, *got);
    in->p += *got;
    return block;
}

/* The same as text: ends in a NUL and holds no other. */
static inline char *fuzz_text(fuzz_input *in, size_t len)
{
    size_t got = len < fuzz_left(in) ? len : fuzz_left(in);
    char *text = malloc(got + 1);
    if (text == NULL)
        abort();
    for (size_t i = 0; i < got; i++)
        text[i] = in->p[i] != 0 ? (char)in->p[i] : ' ';
    text[got] = '\0';
    in->p += got;
    return text;
}

#endif
