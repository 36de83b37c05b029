/* Balance by load, weight or key. Before: pattern/robin.c. After: pattern/pipe.c. Looks at every peer for
 * every message: meant for workers, not for thousands. */
#include "engine/pattern/balance.h"

#include "engine/base/map.h"

typedef sb_peer *choose(sb__robin *robin, const sb_msg *msg);

static sb_peer *peer_of(sb_list_node *node)
{
    return SB_LIST_ENTRY(node, sb_peer, active);
}

static void to_the_back(sb__robin *robin, sb_peer *peer)
{
    sb_list_remove(&peer->active);
    sb_list_push_back(&robin->ring, &peer->active);
}

/* What waits for it, and for types whose peers answer also what it has not answered. */
static uint64_t load_of(const sb_peer *peer)
{
    uint64_t queued = peer->out.msgs + (peer->out_stage != NULL ? peer->out_stage->msgs : 0);
    bool answers = peer->pattern->impl->can_recv && peer->msgs_out > peer->msgs_in && !peer->inside;
    return queued + (answers ? peer->msgs_out - peer->msgs_in : 0);
}

/* Among equals the one that waited longest. */
static sb_peer *least_queued(sb__robin *robin, const sb_msg *msg)
{
    sb_peer *best = NULL;
    (void)msg;
    SB_LIST_EACH(node, &robin->ring)
    {
        sb_peer *peer = peer_of(node);
        if (!sb__robin_passes_over(robin, peer) && (best == NULL || load_of(peer) < load_of(best)))
            best = peer;
    }
    return best;
}

/* Smooth weighted round robin: each earns its weight, the richest pays for all. */
static sb_peer *weighted(sb__robin *robin, const sb_msg *msg)
{
    sb_peer *best = peer_of(robin->ring.next);
    int64_t total = 0;
    (void)msg;
    SB_LIST_EACH(node, &robin->ring)
    {
        sb_peer *peer = peer_of(node);
        peer->credit += peer->weight;
        total += peer->weight;
        if (peer->credit > best->credit)
            best = peer;
    }
    best->credit -= total;
    return best;
}

static uint64_t hash_key(const sb__robin *robin, const sb_msg *msg)
{
    uint32_t frame = msg->envelope + robin->base.options->balance_key - 1;
    if (frame >= msg->n)
        return 0;
    return sb_hash(msg->frames[frame].data, msg->frames[frame].len, 0);
}

/* Rendezvous hashing: each peer has a score for each key, the highest wins. When a peer goes only its keys
 * move, and when one comes it takes only what it keeps. */
sb_peer *sb__balance_sticky(const sb__robin *robin, const sb_msg *msg)
{
    uint64_t key = hash_key(robin, msg), best = 0;
    sb_peer *found = NULL;
    SB_LIST_EACH(node, &robin->all)
    {
        sb_peer *peer = SB_LIST_ENTRY(node, sb_peer, member);
        uint64_t score = sb_hash(&key, sizeof key, peer->place);
        if (found == NULL || score > best || (score == best && peer->id < found->id)) {
            best = score;
            found = peer;
        }
    }
    return found;
}

static sb_peer *sticky(sb__robin *robin, const sb_msg *msg)
{
    sb_peer *peer = sb__balance_sticky(robin, msg);
    return peer != NULL && sb_list_linked(&peer->active) ? peer : NULL;
}

static choose *const choices[] = {
    [SB_BALANCE_LEAST_QUEUED] = least_queued, [SB_BALANCE_WEIGHTED] = weighted, [SB_BALANCE_STICKY] = sticky};

sb_err sb__balance_send_to(sb__robin *robin, const sb_msg *msg, sb_peer **to)
{
    choose *pick = choices[robin->base.options->balance];
    while (!sb_list_empty(&robin->ring)) {
        sb_peer *peer = pick(robin, msg);
        if (peer == NULL)
            break;
        sb_err err = sb__pipe_push(peer, msg);
        if (err == SB_OK) {
            to_the_back(robin, peer);
            *to = peer;
            return SB_OK;
        }
        if (err != SB_EAGAIN)
            return err;
        sb_list_remove(&peer->active);
    }
    robin->starved = true;
    return SB_EAGAIN;
}
