/* Teams: sockets of several engines, in processes of their own, that are one to their peers and scripts. The
 * engine knows what comes from outside and what from a mate over a link, and tells the team what the mates
 * have to know; the host connects them (modules/library/team.h). All functions on the engine's thread. */
#ifndef SB_TEAM_H
#define SB_TEAM_H

#include "engine/socket.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A link goes from a socket to its mate, who receives on a socket of its own for links: what comes there is
 * for the mate's peers from outside and never goes over a link again. Links end in this order when an engine
 * drains. */
typedef enum sb_inside {
    SB_OUTSIDE,
    SB_INSIDE,       /* for whom the mate chooses: subscribers, workers */
    SB_INSIDE_REACH, /* for a peer of the mate's by its routing id: answers, so it ends when no more work
                        comes */
    SB_INSIDE_HEIR,  /* for the engine that comes after one that drains: what is left when all others have
                        taken theirs. Comes only to a socket that drains */
    SB_INSIDE_COUNT
} sb_inside;

/* What a socket tells its team. No slot may be NULL; none may close the socket. */
typedef struct sb_team sb_team;
struct sb_team {
    /* PUB, XPUB: a topic has its first subscriber from outside, or has none any more. ROUTER: a peer has this
     * routing id, or has it no more; refcounted. */
    void (*holds)(sb_team *self, const uint8_t *key, size_t len, bool on);
    /* A peer that came to a bind is ready, or gone. */
    void (*guest)(sb_team *self, bool on);
    /* ROUTER: the first frame is nobody's routing id here. SB_OK: a mate has it and gets the message.
     * SB_EHOSTUNREACH: no mate has. SB_EAGAIN: the way there is full; sb_socket_wake when it is not any more.
     */
    sb_err (*elsewhere)(sb_team *self, const sb_msg *msg);
};

/* Before the socket has peers. The team's memory outlives the socket. */
void sb_socket_set_team(sb_socket *sock, sb_team *team);
/* A send that got SB_EAGAIN from `elsewhere` may work now. */
void sb_socket_wake(sb_socket *sock);

/* This socket receives what comes over links: it goes on until the mates have ended. */
void sb_socket_set_inside(sb_socket *sock, sb_inside inside);
/* One of its connections (sb_socket_adopt) to `endpoint` ends: the mate is told to send no more over it,
 * what it has queued for it is still taken. SB_ENOENT. */
sb_err sb_socket_unlink(sb_socket *sock, const char *endpoint);
/* Hands on what came over a link, from inside the handler: as sb_socket_forward, but only to peers from
 * outside. Where a socket that balances has none, it goes to whoever there is. */
sb_err sb_socket_pass(sb_socket *to, sb_peer *from, sb_msg *msg);

/* Publishers: whether somebody subscribed a prefix of the topic. */
bool sb_socket_is_subscribed(const sb_socket *sock, const void *topic, size_t len);
/* Whether a message would find somebody, here or at a mate: publishers and types that balance. */
bool sb_socket_has_audience(const sb_socket *sock);
bool sb_peer_is_inside(const sb_peer *peer);

#ifdef __cplusplus
}
#endif
#endif
