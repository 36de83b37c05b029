/* A hash map from octet strings to pointers. Its place: below everything; used for routing ids, names,
 * equals-rows.
 *
 * Open addressing with linear probing; each key is a heap block of its own, so it stays where it is. The hash
 * has a secret: keys may come from peers. */
#ifndef SB_BASE_MAP_H
#define SB_BASE_MAP_H

#include "engine/base/hash.h"
#include "engine/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct sb_map_entry {
    void *value; /* the user's; never NULL */
    /* read-only */
    uint64_t hash;
    size_t len;
    uint8_t key[];
} sb_map_entry;

/* Memory of the owner; all zero is an empty map too. */
typedef struct sb_map {
    /* read-only */
    size_t n; /* entries */
    /* private */
    sb_map_entry **slots;
    size_t cap; /* 0 or a power of two */
    uint64_t seed;
} sb_map;

/* An empty map; no memory is taken before the first put. */
void sb_map_init(sb_map *map);
/* Frees the keys and the table; what the values point to is the owner's. Leaves an empty map. */
void sb_map_finish(sb_map *map);

/* The value of a key, or NULL. `key` may be NULL when len is 0. */
void *sb_map_get(const sb_map *map, const void *key, size_t len);
/* The entry of a key, or NULL: for its key bytes, which stay valid until the key is removed. */
sb_map_entry *sb_map_find(const sb_map *map, const void *key, size_t len);

/* Adds a key, which is copied. `value` is not NULL. SB_EEXIST when the key is there (nothing changes),
 * SB_ENOMEM. */
sb_err sb_map_add(sb_map *map, const void *key, size_t len, void *value);
/* The same, but replaces the value of a key that is there. SB_ENOMEM. */
sb_err sb_map_put(sb_map *map, const void *key, size_t len, void *value);
/* Removes a key and returns its value, NULL when it was not there. */
void *sb_map_remove(sb_map *map, const void *key, size_t len);

/* Walks in no order: *pos starts at 0; NULL at the end. Values may be changed meanwhile, keys not added or
 * removed. */
sb_map_entry *sb_map_next(const sb_map *map, size_t *pos);

#endif
