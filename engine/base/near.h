/* Hints: the word that was probably meant. */
#ifndef SB_NEAR_H
#define SB_NEAR_H

#include <stddef.h>

#define SB_NEAR_MAX 32 /* octets; longer words are like no other */

/* How many letters must change, come, go or change places with the next to make one word of the other.
 * SB_NEAR_MAX when one is longer than that. */
size_t sb_near_distance(const char *a, size_t alen, const char *b, size_t blen);

/* The word of the NULL-terminated list most similar to `word`, or NULL when none is close. */
const char *sb_near_word(const char *word, const char *const *list);

#endif
