/* What the files of engine/route share: the compiled table. Private to the folder. */
#ifndef SB_ROUTE_INTERNAL_H
#define SB_ROUTE_INTERNAL_H

#include "engine/base/map.h"
#include "engine/route.h"
#include "engine/route/trie.h"

#define SB__QUICK_ROWS 8

#define SB__QUICK_OCTETS 16

/* A condition as one comparison: the first sixteen octets of the frame, masked. */
typedef struct sb__quick_row {
    uint64_t mask[2], value[2];
    size_t len;
    uint32_t row;
    bool equals;
} sb__quick_row;

/* Conditions on one body frame. */
typedef struct sb__route_group {
    uint32_t frame; /* 0-based */
    uint32_t low;   /* lowest row in it */
    uint32_t n;     /* rows in it */
    sb__trie prefixes;
    sb_map equals;      /* value: row + 1 */
    size_t equals_size; /* of the longest key */
} sb__route_group;

struct sb_route {
    sb_route_row *rows; /* copies */
    uint64_t *hits;     /* by row */
    uint32_t n;
    uint32_t all; /* the row that matches every message, SB__ROW_NONE if there is none */
    /* Small tables on one frame: quick_n > 0 and no groups are asked. */
    uint32_t quick_frame, quick_n;
    sb__quick_row quick[SB__QUICK_ROWS];
    sb__route_group *groups; /* by rising `low` */
    uint32_t ngroups;
    int64_t (*current)[SB_ROUTE_TARGETS]; /* smooth round robin, per row */
};

/* The first eight octets, zeros where there are fewer. */
uint64_t sb__route_head(const uint8_t *p, size_t len);

#endif
