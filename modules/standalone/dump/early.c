/* Before: flow.c. */
#include "modules/standalone/dump/early.h"

#include <stdlib.h>
#include <string.h>

bool early_add(early *e, uint32_t seq, const uint8_t *octets, size_t len, size_t max, size_t room)
{
    if (e->n == max || len > room - e->octets)
        return false;
    if (e->pieces == NULL)
        e->pieces = calloc(max, sizeof *e->pieces);
    early_piece *piece = malloc(sizeof *piece + len);
    if (e->pieces == NULL || piece == NULL) {
        free(piece);
        return false;
    }
    *piece = (early_piece){.seq = seq, .len = len};
    memcpy(piece->octets, octets, len);
    e->pieces[e->n++] = piece;
    e->octets += len;
    return true;
}

early_piece *early_take(early *e, uint32_t next)
{
    for (size_t i = 0; i < e->n; i++) {
        early_piece *piece = e->pieces[i];
        if ((int32_t)(piece->seq - next) > 0)
            continue;
        e->pieces[i] = e->pieces[--e->n];
        e->octets -= piece->len;
        return piece;
    }
    return NULL;
}

void early_finish(early *e)
{
    for (size_t i = 0; i < e->n; i++)
        free(e->pieces[i]);
    free(e->pieces);
    *e = (early){0};
}
