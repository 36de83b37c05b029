/* The tables of the socket types, one per file; registry.c lists them. */
#ifndef SB_REGISTRY_H
#define SB_REGISTRY_H

#include "engine/pattern/pattern.h"

extern const sb_pattern_impl sb__pair_impl;
extern const sb_pattern_impl sb__pub_impl;
extern const sb_pattern_impl sb__sub_impl;
extern const sb_pattern_impl sb__req_impl;
extern const sb_pattern_impl sb__rep_impl;
extern const sb_pattern_impl sb__dealer_impl;
extern const sb_pattern_impl sb__router_impl;
extern const sb_pattern_impl sb__pull_impl;
extern const sb_pattern_impl sb__push_impl;
extern const sb_pattern_impl sb__xpub_impl;
extern const sb_pattern_impl sb__xsub_impl;

/* The filter of types that receive nothing: what a peer sends all the same is discarded, not kept. */
sb_err sb__discard(sb_pattern *pat, sb_peer *peer, sb_msg *msg);

#endif
