/* A compressed prefix trie: which of many prefixes of an octet string has the lowest row. Place:
 * engine/route; knows octets and row numbers, no messages. Rows are inserted in rising order. */
#ifndef SB_ROUTE_TRIE_H
#define SB_ROUTE_TRIE_H

#include "engine/error.h"

#include <stddef.h>
#include <stdint.h>

#define SB__ROW_NONE UINT32_MAX

typedef struct sb__trie_node sb__trie_node;

/* All zero is empty. */
typedef struct sb__trie {
    sb__trie_node *root; /* NULL when empty */
    sb__trie_node *all;  /* every node, for freeing */
} sb__trie;

void sb__trie_finish(sb__trie *trie);

/* Adds a prefix; `bytes` are borrowed for the trie's life. SB_ENOMEM leaves the trie fit for sb__trie_finish
 * only. */
sb_err sb__trie_add(sb__trie *trie, const uint8_t *bytes, size_t len, uint32_t row);

/* The lowest row below `best` whose prefix `p` starts with, else `best`. O(len), whatever the number of rows.
 */
uint32_t sb__trie_match(const sb__trie *trie, const uint8_t *p, size_t len, uint32_t best);

#endif
