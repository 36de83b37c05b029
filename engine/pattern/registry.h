/* The tables of the socket types, one per file; registry.c lists them. */
#ifndef SB_REGISTRY_H
#define SB_REGISTRY_H

#include "engine/pattern/pattern.h"

#define SB__PATTERN_EXTERN(name, lower, number, peers) extern const sb_pattern_impl sb__##lower##_impl;
SB_TYPES(SB__PATTERN_EXTERN)
#undef SB__PATTERN_EXTERN

/* The filter of types that receive nothing: what a peer sends all the same is discarded, not kept. */
sb_err sb__discard(sb_pattern *pat, sb_peer *peer, sb_msg *msg);

#endif
