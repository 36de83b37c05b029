/* Zones: entries in chains of small blocks, found through one hash index. Before: lua/lib_shared.c. */
#include "engine/base/zone.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define MAGIC   0x53425a4eu /* "SBZN" */
#define VERSION 1
#define BLOCK   64
#define KEY_MAX 4096
#define NONE    UINT32_MAX

/* Positions are numbers of blocks behind the index. */
struct sb__zone_head {
    uint32_t magic, version;
    uint64_t size;
    uint32_t buckets, blocks; /* of the index; of memory for entries */
    uint32_t free, nfree;     /* chain of free blocks, and how many */
    pthread_mutex_t lock;
    uint32_t bucket[];
};

typedef struct block {
    uint32_t next;
    uint8_t data[BLOCK - 4];
} block;

/* The first block of an entry. Its octets (name, NUL, key, string) follow in the others. */
typedef struct entry {
    uint32_t next_block;
    uint32_t next; /* of the bucket */
    uint32_t hash, nblocks;
    uint32_t name_len, key_len;
    uint64_t until;
    uint64_t len; /* of a string */
    union {
        int64_t integer;
        double number;
        bool boolean;
    };
    uint8_t type;
} entry;
_Static_assert(sizeof(entry) <= BLOCK, "an entry begins with one block");

static block *block_at(const sb__zone_head *h, uint32_t i)
{
    return (block *)((char *)h + h->size - ((size_t)h->blocks - i) * BLOCK);
}

static entry *entry_at(const sb__zone_head *h, uint32_t i)
{
    return (entry *)block_at(h, i);
}

/* ---- making, and mending ---- */

static void init_lock(pthread_mutex_t *lock)
{
    pthread_mutexattr_t attr;
    pthread_mutexattr_init(&attr);
    pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
    pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
    pthread_mutex_init(lock, &attr);
    pthread_mutexattr_destroy(&attr);
}

/* Everything that no bucket leads to is free. */
static void collect(sb__zone_head *h, uint8_t *used)
{
    for (uint32_t b = 0; b < h->buckets; b++)
        for (uint32_t e = h->bucket[b]; e != NONE; e = entry_at(h, e)->next)
            for (uint32_t i = e; i != NONE; i = block_at(h, i)->next)
                used[i] = 1;
    h->free = NONE;
    h->nfree = 0;
    for (uint32_t i = h->blocks; i-- > 0;) {
        if (used[i])
            continue;
        block_at(h, i)->next = h->free;
        h->free = i;
        h->nfree++;
    }
}

/* The holder died between two stores. Without memory to mend it nothing more is lost than what it had taken.
 */
static void mend(sb__zone_head *h)
{
    uint8_t *used = calloc(h->blocks, 1);
    if (used == NULL)
        return;
    collect(h, used);
    free(used);
}

static void lock(sb__zone_head *h)
{
    if (pthread_mutex_lock(&h->lock) == EOWNERDEAD) {
        mend(h);
        pthread_mutex_consistent(&h->lock);
    }
}

static void unlock(sb__zone_head *h)
{
    pthread_mutex_unlock(&h->lock);
}

static void format(sb__zone_head *h, size_t size)
{
    size_t room = size - sizeof *h;
    h->size = size / BLOCK * BLOCK;
    h->version = VERSION;
    h->buckets = (uint32_t)(room / (3 * BLOCK)); /* an entry of two blocks has a bucket and a half */
    h->blocks = (uint32_t)((h->size - sizeof *h - h->buckets * sizeof *h->bucket) / BLOCK);
    memset(h->bucket, 0xff, h->buckets * sizeof *h->bucket);
    init_lock(&h->lock);
    h->free = NONE;
    h->nfree = 0;
    for (uint32_t i = h->blocks; i-- > 0;) {
        block_at(h, i)->next = h->free;
        h->free = i;
        h->nfree++;
    }
    __atomic_store_n(&h->magic, MAGIC, __ATOMIC_RELEASE);
}

sb_err sb__zone_open(void *mem, size_t size, sb__zone *out)
{
    sb__zone_head *h = mem;
    if (size < SB__ZONE_MIN || size / BLOCK > NONE - 1)
        return SB_EINVAL;
    if (__atomic_load_n(&h->magic, __ATOMIC_ACQUIRE) == 0 && h->size == 0)
        format(h, size);
    if (h->magic != MAGIC || h->version != VERSION || h->size != size / BLOCK * BLOCK)
        return SB_EINVAL;
    out->head = h;
    return SB_OK;
}

/* ---- blocks ---- */

static void give_back(sb__zone_head *h, uint32_t first)
{
    while (first != NONE) {
        block *b = block_at(h, first);
        uint32_t next = b->next;
        b->next = h->free;
        h->free = first;
        h->nfree++;
        first = next;
    }
}

static uint32_t take(sb__zone_head *h, uint32_t n)
{
    uint32_t first = NONE;
    for (; n > 0; n--) {
        uint32_t i = h->free;
        h->free = block_at(h, i)->next;
        h->nfree--;
        block_at(h, i)->next = first;
        first = i;
    }
    return first;
}

/* A place in the octets of an entry. */
typedef struct place {
    const sb__zone_head *h;
    uint32_t block;
    size_t at;
} place;

typedef void (*visit)(void *arg, uint8_t *stored, size_t n);

/* Walks over the next n octets, piece by piece. */
static void walk(place *p, size_t n, visit fn, void *arg)
{
    while (n > 0) {
        block *b = block_at(p->h, p->block);
        size_t piece = sizeof b->data - p->at;
        piece = piece < n ? piece : n;
        fn(arg, b->data + p->at, piece);
        n -= piece;
        p->at += piece;
        if (p->at == sizeof b->data) {
            p->block = b->next;
            p->at = 0;
        }
    }
}

static place octets_of(const sb__zone_head *h, uint32_t e)
{
    return (place){.h = h, .block = entry_at(h, e)->next_block};
}

static void do_write(void *arg, uint8_t *stored, size_t n)
{
    const uint8_t **from = arg;
    memcpy(stored, *from, n);
    *from += n;
}

static void do_read(void *arg, uint8_t *stored, size_t n)
{
    uint8_t **to = arg;
    memcpy(*to, stored, n);
    *to += n;
}

typedef struct comparison {
    const uint8_t *with;
    bool same;
} comparison;

static void do_compare(void *arg, uint8_t *stored, size_t n)
{
    comparison *c = arg;
    c->same = c->same && memcmp(stored, c->with, n) == 0;
    c->with += n;
}

static void do_skip(void *arg, uint8_t *stored, size_t n)
{
    (void)arg, (void)stored, (void)n;
}

static void put(place *p, const void *data, size_t n)
{
    const uint8_t *from = data;
    walk(p, n, do_write, &from);
}

static bool same(place *p, const void *data, size_t n)
{
    comparison c = {.with = data, .same = true};
    walk(p, n, do_compare, &c);
    return c.same;
}

/* ---- the index ---- */

static uint32_t hash_of(const sb__zone_key *key)
{
    uint32_t hash = 2166136261u; /* FNV-1a */
    for (const char *p = key->name; *p != '\0'; p++)
        hash = (hash ^ (uint8_t)*p) * 16777619u;
    hash *= 16777619u;
    for (size_t i = 0; i < key->len; i++)
        hash = (hash ^ ((const uint8_t *)key->key)[i]) * 16777619u;
    return hash;
}

static bool is_entry(const sb__zone_head *h, uint32_t at, const sb__zone_key *key, uint32_t hash)
{
    const entry *e = entry_at(h, at);
    size_t name_len = strlen(key->name);
    if (e->hash != hash || e->name_len != name_len || e->key_len != key->len)
        return false;
    place p = octets_of(h, at);
    return same(&p, key->name, name_len) && same(&p, key->key, key->len);
}

static bool is_over(const entry *e, uint64_t now)
{
    return e->until != 0 && e->until <= now;
}

/* Takes an entry out of its bucket: one store, then its blocks are free. */
static void drop(sb__zone_head *h, uint32_t *link)
{
    uint32_t at = *link;
    *link = entry_at(h, at)->next;
    give_back(h, at);
}

/* Where the entry is linked, NULL: there is none. Those whose time is over go on the way. */
static uint32_t *find(sb__zone_head *h, const sb__zone_key *key, uint32_t hash, uint64_t now)
{
    uint32_t *link = &h->bucket[hash % h->buckets];
    while (*link != NONE) {
        if (is_over(entry_at(h, *link), now))
            drop(h, link);
        else if (is_entry(h, *link, key, hash))
            return link;
        else
            link = &entry_at(h, *link)->next;
    }
    return NULL;
}

/* Before anything is refused. */
static void sweep(sb__zone_head *h, uint64_t now)
{
    for (uint32_t b = 0; b < h->buckets; b++) {
        uint32_t *link = &h->bucket[b];
        while (*link != NONE) {
            if (is_over(entry_at(h, *link), now))
                drop(h, link);
            else
                link = &entry_at(h, *link)->next;
        }
    }
}

static void set_scalar(entry *e, const sb__zone_value *value)
{
    e->type = (uint8_t)value->type;
    if (value->type == SB__ZONE_NUMBER)
        e->number = value->number;
    else if (value->type == SB__ZONE_BOOLEAN)
        e->boolean = value->boolean;
    else
        e->integer = value->integer;
}

static uint32_t make(sb__zone_head *h, const sb__zone_key *key, const sb__zone_value *value, uint64_t now)
{
    size_t name_len = strlen(key->name), len = value->type == SB__ZONE_STRING ? value->len : 0;
    if (len > h->size)
        return NONE;
    uint32_t n = 1 + (uint32_t)((name_len + key->len + len + sizeof(((block *)0)->data) - 1) /
                                sizeof(((block *)0)->data));
    if (n > h->nfree)
        sweep(h, now);
    if (n > h->nfree)
        return NONE;
    uint32_t at = take(h, n);
    entry *e = entry_at(h, at);
    e->nblocks = n;
    e->name_len = (uint32_t)name_len;
    e->key_len = (uint32_t)key->len;
    e->len = len;
    set_scalar(e, value);
    place p = octets_of(h, at);
    put(&p, key->name, name_len);
    put(&p, key->key, key->len);
    put(&p, value->data, len);
    return at;
}

/* The new one stands before the old one until that is gone: whoever looks finds one of them whole. */
static sb_err store(sb__zone_head *h, const sb__zone_key *key, uint32_t hash, const sb__zone_value *value,
    uint64_t now, uint64_t until)
{
    uint32_t at = make(h, key, value, now), *old;
    if (at == NONE)
        return SB_ENOMEM;
    entry *e = entry_at(h, at);
    e->hash = hash;
    e->until = until;
    old = find(h, key, hash, now);
    if (old != NULL)
        drop(h, old);
    e->next = h->bucket[hash % h->buckets];
    __atomic_store_n(&h->bucket[hash % h->buckets], at, __ATOMIC_RELEASE);
    return SB_OK;
}

/* ---- what users call ---- */

static void read_value(const sb__zone_head *h, uint32_t at, void *buf, size_t cap, sb__zone_value *out)
{
    const entry *e = entry_at(h, at);
    *out = (sb__zone_value){.type = (sb__zone_type)e->type, .len = e->len};
    out->integer = e->integer;
    if (e->type != SB__ZONE_STRING)
        return;
    place p = octets_of(h, at);
    uint8_t *to = buf;
    walk(&p, e->name_len + e->key_len, do_skip, NULL);
    walk(&p, e->len < cap ? e->len : cap, do_read, &to);
}

sb_err sb__zone_get(
    sb__zone *zone, const sb__zone_key *key, uint64_t now, void *buf, size_t cap, sb__zone_value *out)
{
    sb__zone_head *h = zone->head;
    lock(h);
    uint32_t *link = find(h, key, hash_of(key), now);
    if (link != NULL)
        read_value(h, *link, buf, cap, out);
    unlock(h);
    return link != NULL ? SB_OK : SB_ENOENT;
}

sb_err sb__zone_set(sb__zone *zone, const sb__zone_key *key, const sb__zone_value *value, uint64_t now,
    uint64_t until, bool add)
{
    sb__zone_head *h = zone->head;
    uint32_t hash = hash_of(key);
    if (strlen(key->name) + key->len > KEY_MAX)
        return SB_EMSGSIZE;
    lock(h);
    sb_err err = add && find(h, key, hash, now) != NULL ? SB_EEXIST : store(h, key, hash, value, now, until);
    unlock(h);
    return err;
}

static bool is_number(sb__zone_type type)
{
    return type == SB__ZONE_INTEGER || type == SB__ZONE_NUMBER;
}

static double as_number(const sb__zone_value *value)
{
    return value->type == SB__ZONE_INTEGER ? (double)value->integer : value->number;
}

static void add_to(sb__zone_value *sum, const sb__zone_value *by)
{
    if (sum->type == SB__ZONE_INTEGER && by->type == SB__ZONE_INTEGER) {
        sum->integer = (int64_t)((uint64_t)sum->integer + (uint64_t)by->integer); /* wraps, as in Lua */
        return;
    }
    sum->number = as_number(sum) + as_number(by);
    sum->type = SB__ZONE_NUMBER;
}

static sb_err add_here(sb__zone_head *h, uint32_t at, const sb__zone_value *by, sb__zone_value *sum)
{
    if (!is_number((sb__zone_type)entry_at(h, at)->type))
        return SB_EINVAL;
    read_value(h, at, NULL, 0, sum);
    add_to(sum, by);
    set_scalar(entry_at(h, at), sum);
    return SB_OK;
}

sb_err sb__zone_incr(sb__zone *zone, const sb__zone_key *key, const sb__zone_value *by,
    const sb__zone_value *init, uint64_t now, uint64_t until, sb__zone_value *sum)
{
    sb__zone_head *h = zone->head;
    uint32_t hash = hash_of(key);
    sb_err err = SB_ENOENT;
    if (strlen(key->name) + key->len > KEY_MAX)
        return SB_EMSGSIZE;
    lock(h);
    uint32_t *link = find(h, key, hash, now);
    if (link != NULL) {
        err = add_here(h, *link, by, sum);
    } else if (init != NULL) {
        *sum = *init;
        add_to(sum, by);
        err = store(h, key, hash, sum, now, until);
    }
    unlock(h);
    return err;
}

sb_err sb__zone_expire(sb__zone *zone, const sb__zone_key *key, uint64_t now, uint64_t until)
{
    sb__zone_head *h = zone->head;
    lock(h);
    uint32_t *link = find(h, key, hash_of(key), now);
    if (link != NULL)
        entry_at(h, *link)->until = until;
    unlock(h);
    return link != NULL ? SB_OK : SB_ENOENT;
}

sb_err sb__zone_delete(sb__zone *zone, const sb__zone_key *key)
{
    sb__zone_head *h = zone->head;
    lock(h);
    uint32_t *link = find(h, key, hash_of(key), 0);
    if (link != NULL)
        drop(h, link);
    unlock(h);
    return link != NULL ? SB_OK : SB_ENOENT;
}

typedef struct listing {
    const char *name;
    uint64_t now;
    size_t max, n, cap, used;
    uint8_t *buf;
} listing;

static void list_one(listing *l, const sb__zone_head *h, uint32_t at)
{
    const entry *e = entry_at(h, at);
    place p = octets_of(h, at);
    if (is_over(e, l->now) || l->n == l->max || e->name_len != strlen(l->name) ||
        !same(&p, l->name, e->name_len) || l->cap - l->used < sizeof e->key_len + e->key_len)
        return;
    memcpy(l->buf + l->used, &e->key_len, sizeof e->key_len);
    uint8_t *to = l->buf + l->used + sizeof e->key_len;
    walk(&p, e->key_len, do_read, &to);
    l->used += sizeof e->key_len + e->key_len;
    l->n++;
}

size_t sb__zone_keys(
    sb__zone *zone, const char *name, uint64_t now, size_t max, void *buf, size_t cap, size_t *n)
{
    sb__zone_head *h = zone->head;
    listing l = {.name = name, .now = now, .max = max, .cap = cap, .buf = buf};
    lock(h);
    for (uint32_t b = 0; b < h->buckets; b++)
        for (uint32_t e = h->bucket[b]; e != NONE; e = entry_at(h, e)->next)
            list_one(&l, h, e);
    unlock(h);
    *n = l.n;
    return l.used;
}

void sb__zone_room(sb__zone *zone, size_t *all, size_t *left)
{
    sb__zone_head *h = zone->head;
    lock(h);
    *all = (size_t)h->blocks * BLOCK;
    *left = (size_t)h->nfree * BLOCK;
    unlock(h);
}
