/* Hash map from octet strings to pointers: linear probing, backward-shift deletion. Place: engine/base. */
#include "engine/base/map.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define MAP_MIN 8

void sb_map_init(sb_map *map)
{
    memset(map, 0, sizeof *map);
}

void sb_map_finish(sb_map *map)
{
    for (size_t i = 0; i < map->cap; i++)
        free(map->slots[i]);
    free(map->slots);
    sb_map_init(map);
}

/* The slot of the key, or the empty slot where it would go. The table is never full. */
static size_t slot_of(const sb_map *map, const void *key, size_t len, uint64_t hash)
{
    size_t mask = map->cap - 1;
    size_t i = hash & mask;

    for (; map->slots[i] != NULL; i = (i + 1) & mask) {
        const sb_map_entry *e = map->slots[i];

        if (e->hash == hash && e->len == len && (len == 0 || memcmp(e->key, key, len) == 0))
            break;
    }
    return i;
}

sb_map_entry *sb_map_find(const sb_map *map, const void *key, size_t len)
{
    if (map->n == 0)
        return NULL;
    return map->slots[slot_of(map, key, len, sb__hash_keyed(key, len, map->seed))];
}

void *sb_map_get(const sb_map *map, const void *key, size_t len)
{
    sb_map_entry *e = sb_map_find(map, key, len);

    return e != NULL ? e->value : NULL;
}

static void move_entry(sb_map_entry **slots, size_t cap, sb_map_entry *e)
{
    size_t i = e->hash & (cap - 1);

    while (slots[i] != NULL)
        i = (i + 1) & (cap - 1);
    slots[i] = e;
}

/* Room for one more at a load of at most 3/4. */
static sb_err reserve(sb_map *map)
{
    size_t cap = map->cap > 0 ? map->cap * 2 : MAP_MIN;
    sb_map_entry **slots;

    if ((map->n + 1) * 4 <= map->cap * 3)
        return SB_OK;
    slots = calloc(cap, sizeof *slots);
    if (slots == NULL)
        return SB_ENOMEM;
    if (map->cap == 0)
        map->seed = sb__hash_seed(map);
    for (size_t i = 0; i < map->cap; i++)
        if (map->slots[i] != NULL)
            move_entry(slots, cap, map->slots[i]);
    free(map->slots);
    map->slots = slots;
    map->cap = cap;
    return SB_OK;
}

static sb_map_entry *entry_create(const void *key, size_t len, uint64_t hash, void *value)
{
    sb_map_entry *e = malloc(sizeof *e + len);

    if (e == NULL)
        return NULL;
    e->value = value;
    e->hash = hash;
    e->len = len;
    if (len > 0)
        memcpy(e->key, key, len);
    return e;
}

sb_err sb_map_add(sb_map *map, const void *key, size_t len, void *value)
{
    uint64_t hash;
    size_t i;

    assert(value != NULL && "NULL means: not there");
    if (reserve(map) != SB_OK)
        return SB_ENOMEM;
    hash = sb__hash_keyed(key, len, map->seed);
    i = slot_of(map, key, len, hash);
    if (map->slots[i] != NULL)
        return SB_EEXIST;
    map->slots[i] = entry_create(key, len, hash, value);
    if (map->slots[i] == NULL)
        return SB_ENOMEM;
    map->n++;
    return SB_OK;
}

sb_err sb_map_put(sb_map *map, const void *key, size_t len, void *value)
{
    sb_map_entry *e = sb_map_find(map, key, len);

    if (e == NULL)
        return sb_map_add(map, key, len, value);
    e->value = value;
    return SB_OK;
}

/* Moves later entries of the run back over the hole, so that no probe ends early. */
static void close_hole(sb_map *map, size_t hole)
{
    size_t mask = map->cap - 1;

    for (size_t i = (hole + 1) & mask; map->slots[i] != NULL; i = (i + 1) & mask) {
        size_t home = map->slots[i]->hash & mask;

        if (((i - home) & mask) < ((i - hole) & mask))
            continue;
        map->slots[hole] = map->slots[i];
        hole = i;
    }
    map->slots[hole] = NULL;
}

void *sb_map_remove(sb_map *map, const void *key, size_t len)
{
    sb_map_entry *e;
    void *value;
    size_t i;

    if (map->n == 0)
        return NULL;
    i = slot_of(map, key, len, sb__hash_keyed(key, len, map->seed));
    e = map->slots[i];
    if (e == NULL)
        return NULL;
    value = e->value;
    close_hole(map, i);
    free(e);
    map->n--;
    return value;
}

sb_map_entry *sb_map_next(const sb_map *map, size_t *pos)
{
    while (*pos < map->cap) {
        sb_map_entry *e = map->slots[(*pos)++];

        if (e != NULL)
            return e;
    }
    return NULL;
}
