/* Octets as peer.c reads them in its commands. */
#ifndef TEST_PEER_HEX_H
#define TEST_PEER_HEX_H

#include <stddef.h>

static inline int nibble(char c)
{
    return c <= '9' ? c - '0' : c - 'a' + 10;
}

/* Decodes in place; returns the length. */
static inline size_t unhex(char *text)
{
    size_t n = 0;
    if (text[0] == '-')
        return 0;
    for (; text[2 * n] != '\0' && text[2 * n + 1] != '\0'; n++)
        text[n] = (char)(nibble(text[2 * n]) << 4 | nibble(text[2 * n + 1]));
    return n;
}

#endif
