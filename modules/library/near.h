/* Hints: the word that was probably meant. */
#ifndef SB_NEAR_H
#define SB_NEAR_H

#include <stddef.h>

/* The word of the NULL-terminated list most similar to `word`, or NULL when none is close. */
const char *sb_near_word(const char *word, const char *const *list);

#endif
