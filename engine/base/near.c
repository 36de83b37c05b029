/* Hints by edit distance (Damerau's, with neighbours that changed places; three rows at a time). */
#include "engine/base/near.h"

#include <string.h>

static size_t least(size_t a, size_t b, size_t c)
{
    size_t m = a < b ? a : b;
    return m < c ? m : c;
}

size_t sb_near_distance(const char *a, size_t alen, const char *b, size_t blen)
{
    size_t rows[3][SB_NEAR_MAX + 1], *row = rows[0], *above = rows[1], *over = rows[2];
    if (alen > SB_NEAR_MAX || blen > SB_NEAR_MAX)
        return SB_NEAR_MAX;
    for (size_t j = 0; j <= blen; j++)
        row[j] = j;
    for (size_t i = 1; i <= alen; i++) {
        size_t *free = over;
        over = above, above = row, row = free;
        row[0] = i;
        for (size_t j = 1; j <= blen; j++) {
            row[j] = least(above[j] + 1, row[j - 1] + 1, above[j - 1] + (a[i - 1] != b[j - 1]));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] && over[j - 2] + 1 < row[j])
                row[j] = over[j - 2] + 1;
        }
    }
    return row[blen];
}

const char *sb_near_word(const char *word, const char *const *list)
{
    const char *best = NULL;
    size_t len = strlen(word), best_distance = 1 + len / 3;
    for (; *list != NULL; list++) {
        size_t d = sb_near_distance(word, len, *list, strlen(*list));
        if (d <= best_distance) {
            best_distance = d;
            best = *list;
        }
    }
    return best;
}
