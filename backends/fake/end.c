/* One side of a connection in memory: the bytes on the way to it, and how they end. Knows streams only as
 * jobs. */
#include "backends/fake/internal.h"

#include <stdlib.h>
#include <string.h>

static void notify(struct fake_end *end)
{
    if (end != NULL && end->job != NULL)
        sb__fake_queue(end->loop, end->job);
}

void sb__fake_end_pair(struct fake_end *a, struct fake_end *b)
{
    a->peer = b;
    b->peer = a;
}

static size_t room(const struct fake_end *end)
{
    size_t limit = end->loop->limit;
    if (limit == 0)
        return SIZE_MAX / 2;
    return limit > end->len ? limit - end->len : 0;
}

static bool reserve(struct fake_end *end, size_t n)
{
    if (end->head + end->len + n <= end->cap)
        return true;
    if (end->head > 0) {
        memmove(end->bytes, end->bytes + end->head, end->len);
        end->head = 0;
    }
    if (end->len + n <= end->cap)
        return true;
    size_t cap = (end->len + n) * 2;
    uint8_t *bytes = realloc(end->bytes, cap);
    if (bytes == NULL)
        return false;
    end->bytes = bytes;
    end->cap = cap;
    return true;
}

size_t sb__fake_end_put(struct fake_end *end, const void *bytes, size_t n)
{
    if (n > room(end))
        n = room(end);
    if (end->ended || n == 0)
        return 0;
    if (!reserve(end, n)) {
        notify(end->peer); /* a kernel would have found memory: tried again in the next turn */
        return 0;
    }
    memcpy(end->bytes + end->head + end->len, bytes, n);
    end->len += n;
    notify(end);
    return n;
}

size_t sb__fake_end_take(struct fake_end *end, void *bytes, size_t cap)
{
    size_t n = end->len < cap ? end->len : cap;
    if (n == 0)
        return 0;
    memcpy(bytes, end->bytes + end->head, n);
    end->head += n;
    end->len -= n;
    notify(end->peer); /* there is room again */
    return n;
}

void sb__fake_end_stop(struct fake_end *end, sb_err why)
{
    if (why != SB_ECLOSED)
        end->len = 0;
    if (!end->ended || why != SB_ECLOSED)
        end->why = why;
    end->ended = true;
    notify(end);
}

void sb__fake_end_finish(struct fake_end *end, sb_err why)
{
    struct fake_end *peer = end->peer;
    if (peer != NULL) {
        end->peer = peer->peer = NULL;
        sb__fake_end_stop(peer, why);
    }
    free(end->bytes);
    end->bytes = NULL;
    end->head = end->len = end->cap = 0;
}
