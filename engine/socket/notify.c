/* What a peer's coming and going says: hello_msg to it; stream_notify, router_notify, disconnect_msg and
 * hiccup_msg to the application, as messages from it (libzmq's drafts). Before: peers.c. After: the peer's
 * queues. */
#include "engine/socket/internal.h"

#define CONNECT    1 /* router_notify, as ZMQ_NOTIFY_* */
#define DISCONNECT 2
#define UNREAD_MAX                                                                                           \
    10000 /* peers that are gone and still hold something for an application that does not read */

static const sb__blob empty;

typedef struct limits {
    uint32_t msgs;
    uint64_t bytes, budget;
} limits;

static limits lift(sb__queue *q)
{
    limits l = {q->hwm_msgs, q->hwm_bytes, q->budget->max};
    q->hwm_msgs = 0;
    q->hwm_bytes = 0;
    q->budget->max = 0;
    return l;
}

static void restore(sb__queue *q, limits l)
{
    q->hwm_msgs = l.msgs;
    q->hwm_bytes = l.bytes;
    q->budget->max = l.budget;
}

/* Limits do not count: there is one such message per connection. */
static void push(sb_peer *peer, sb__queue *q, const sb_msg *msg)
{
    if (sb__queue_push_over(q, msg) != SB_OK)
        sb__peer_drop(peer, SB_DROP_LOST, 1);
}

/* One frame: there is room for it in the message itself. */
static void set_message(sb_msg *msg, const sb__blob *text)
{
    sb_msg_init(msg);
    sb_msg_push(msg, text->data, text->len, NULL);
}

/* Behind what the peer sent. */
static void tell(sb_peer *peer, const sb__blob *text)
{
    sb_socket *sock = peer->socket;
    sb_msg msg;
    set_message(&msg, text);
    if (sock->closing)
        return;
    if (sock->by_id.n > sock->npeers + UNREAD_MAX)
        sb__peer_drop(peer, SB_DROP_LOST, 1);
    else if (peer->sheds)
        sb__overload_enqueue(peer, &msg);
    else
        push(peer, &peer->in, &msg);
    sb__fair_update(peer);
    sb__pump(sock);
}

static bool notifies(const sb_peer *peer, int64_t what)
{
    const sb_socket *sock = peer->socket;
    if (sock->type == SB_STREAM)
        return !peer->dismissed && sb__opt(sock, SB_OPT_STREAM_NOTIFY);
    if (sb__is_raw(sock)) /* a ROUTER that is one tells it always, as libzmq's */
        return !peer->dismissed;
    return sock->type == SB_ROUTER && (sb__opt(sock, SB_OPT_ROUTER_NOTIFY) & what) != 0;
}

/* Before all that waits for the peer. */
static void greet(sb_peer *peer, const sb__blob *hello)
{
    sb__queue rest;
    sb_msg msg;
    sb__queue_init(&rest, 0, 0);
    sb__peer_drop(peer, SB_DROP_LOST, sb__queue_move(&peer->out, &rest));
    set_message(&msg, hello);
    push(peer, &peer->out, &msg);
    limits l = lift(&peer->out);
    sb__peer_drop(peer, SB_DROP_LOST, sb__queue_move(&rest, &peer->out));
    restore(&peer->out, l);
    sb__queue_finish(&rest);
    peer->link->output(peer);
}

void sb__notify_up(sb_peer *peer)
{
    const sb__blob *hello = sb__opt_bytes(peer->socket, SB_OPT_HELLO_MSG);
    if (hello->len > 0)
        greet(peer, hello);
    if (notifies(peer, CONNECT))
        tell(peer, &empty);
}

void sb__notify_down(sb_peer *peer)
{
    sb_opt opt = peer->dialed ? SB_OPT_HICCUP_MSG : SB_OPT_DISCONNECT_MSG;
    const sb__blob *text = sb__opt_bytes(peer->socket, opt);
    if (notifies(peer, DISCONNECT))
        tell(peer, &empty);
    if (text->len > 0)
        tell(peer, text);
}
