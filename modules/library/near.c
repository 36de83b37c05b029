/* Hints by edit distance (Wagner and Fischer, one row at a time). */
#include "modules/library/near.h"

#include <string.h>

#define NEAR_MAX 32 /* longer words are not compared */

static size_t least(size_t a, size_t b, size_t c)
{
    size_t m = a < b ? a : b;
    return m < c ? m : c;
}

static size_t distance(const char *a, const char *b)
{
    size_t la = strlen(a), lb = strlen(b), row[NEAR_MAX + 1];
    if (la > NEAR_MAX || lb > NEAR_MAX)
        return NEAR_MAX;
    for (size_t j = 0; j <= lb; j++)
        row[j] = j;
    for (size_t i = 1; i <= la; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= lb; j++) {
            size_t above = row[j];
            row[j] = least(above + 1, row[j - 1] + 1, diagonal + (a[i - 1] != b[j - 1]));
            diagonal = above;
        }
    }
    return row[lb];
}

const char *sb_near_word(const char *word, const char *const *list)
{
    const char *best = NULL;
    size_t best_distance = 1 + strlen(word) / 3;
    for (; *list != NULL; list++) {
        size_t d = distance(word, *list);
        if (d <= best_distance) {
            best_distance = d;
            best = *list;
        }
    }
    return best;
}
