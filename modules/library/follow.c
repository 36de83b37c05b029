/* Followers of a gateway: many of them, one subscription per topic. Before: gateway.c. After: gate_feed.c, on
 * the other side of the connection. */
#include "engine/base/list.h"
#include "engine/base/map.h"
#include "modules/library/gate_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FRAMES 64 /* of a message; more are cut off */

/* A topic with its followers. */
typedef struct sb__followed {
    sb__follow *follow;
    sb_list followers;
    uint32_t busy; /* being walked: not freed */
    size_t len;
    uint8_t text[];
} followed;

struct sb__follow {
    sb_handler handler; /* first member */
    sb_socket *xsub;    /* NULL once closed */
    uint8_t own[SB__FEED_OWN];
    sb_map topics;    /* text -> followed */
    sb_map questions; /* number -> sb_follower */
    uint32_t last;
    uint32_t lengths[SB_FOLLOW_TOPIC + 1]; /* topics of each length */
    sb_list_node *cursor;                  /* the follower whose turn is next in a walk */
};

/* A follower's place in its list is kept in two plain pointers, so that the public header needs no list. */
static sb_list_node *node_of(sb_follower *follower)
{
    return (sb_list_node *)&follower->next;
}

static sb_follower *follower_of(sb_list_node *node)
{
    return (sb_follower *)((char *)node - offsetof(sb_follower, next));
}

/* ---- topics ---- */

static void release(followed *t)
{
    sb__follow *f = t->follow;
    if (t->busy > 0 || !sb_list_empty(&t->followers))
        return;
    if (f->xsub != NULL)
        sb_socket_unsubscribe(f->xsub, t->text, t->len);
    sb_map_remove(&f->topics, t->text, t->len);
    f->lengths[t->len]--;
    free(t);
}

static followed *obtain(sb__follow *f, const void *text, size_t len)
{
    followed *t = sb_map_get(&f->topics, text, len);
    if (t != NULL || (t = calloc(1, sizeof *t + len + 1)) == NULL)
        return t;
    t->follow = f;
    t->len = len;
    memcpy(t->text, text, len);
    sb_list_init(&t->followers);
    if (sb_map_add(&f->topics, text, len, t) != SB_OK) {
        free(t);
        return NULL;
    }
    f->lengths[len]++;
    sb_socket_subscribe(f->xsub, text, len);
    return t;
}

static void leave(sb_follower *follower)
{
    followed *t = follower->followed;
    sb_list_node *node = node_of(follower);
    if (t == NULL)
        return;
    if (t->follow->cursor == node)
        t->follow->cursor = node->next;
    follower->followed = NULL;
    sb_list_remove(node);
    release(t);
}

/* ---- questions ---- */

static void forget_question(sb__follow *f, sb_follower *follower)
{
    if (follower->number != 0)
        sb_map_remove(&f->questions, &follower->number, sizeof follower->number);
    follower->number = 0;
}

static sb_err send_question(sb__follow *f, sb_follower *follower, const char *word)
{
    followed *t = follower->followed;
    uint8_t since[SB__FEED_ID];
    char who[SB_CLIENT_FRAME];
    sb_msg msg;
    sb__feed_id_put(since, &follower->since);
    sb_msg_init(&msg);
    sb_err err = sb_msg_push(&msg, who, sb_client_write(follower->client, who), NULL);
    if (err == SB_OK)
        err = sb_msg_push(&msg, word, strlen(word), NULL);
    if (err == SB_OK)
        err = sb_msg_push(&msg, f->own, sizeof f->own, NULL);
    if (err == SB_OK)
        err = sb_msg_push(&msg, &follower->number, sizeof follower->number, NULL);
    if (err == SB_OK)
        err = sb_msg_push(&msg, t->text, t->len, NULL);
    if (err == SB_OK)
        err = sb_msg_push(&msg, since, sizeof since, NULL);
    if (err == SB_OK)
        err = sb_socket_send(f->xsub, &msg);
    sb_msg_finish(&msg);
    return err;
}

/* Follows `text` and asks the gate about it. */
static sb_err ask(sb__follow *f, sb_follower *follower, const void *text, size_t len, const char *word)
{
    followed *t = len <= SB_FOLLOW_TOPIC ? obtain(f, text, len) : NULL;
    if (t == NULL)
        return SB_ENOMEM;
    follower->followed = t;
    sb_list_push_back(&t->followers, node_of(follower));
    do {
        follower->number = ++f->last;
    } while (follower->number == 0 ||
             sb_map_get(&f->questions, &follower->number, sizeof follower->number) != NULL);
    sb_err err = sb_map_add(&f->questions, &follower->number, sizeof follower->number, follower);
    if (err == SB_OK && sb_socket_peers(f->xsub) > 0) /* else when there is somebody to ask */
        err = send_question(f, follower, word);
    if (err != SB_OK) {
        forget_question(f, follower);
        leave(follower);
    }
    return err;
}

/* ---- messages ---- */

/* The topic as the follower asked for it: a script may have given it another. */
static void hand(
    sb_follower *follower, const followed *t, const sb_event_id *id, struct iovec *frames, size_t n)
{
    struct iovec topic = frames[0];
    bool same = follower->asked_len == t->len && memcmp(follower->asked, t->text, t->len) == 0;
    uint8_t *other = same ? NULL : malloc(follower->asked_len + topic.iov_len + 1);
    if (other != NULL) {
        memcpy(other, follower->asked, follower->asked_len);
        memcpy(other + follower->asked_len, (uint8_t *)topic.iov_base + t->len, topic.iov_len - t->len);
        frames[0] =
            (struct iovec){.iov_base = other, .iov_len = follower->asked_len + topic.iov_len - t->len};
    }
    follower->on_message(follower, id, frames, n);
    free(other);
    frames[0] = topic;
}

static void hand_all(followed *t, const sb_event_id *id, struct iovec *frames, size_t n)
{
    sb__follow *f = t->follow;
    t->busy++;
    for (sb_list_node *node = t->followers.next; node != &t->followers; node = f->cursor) {
        sb_follower *follower = follower_of(node);
        f->cursor = node->next;
        if (follower->number == 0) /* else its answer is still on its way, behind this */
            hand(follower, t, id, frames, n);
    }
    f->cursor = NULL;
    t->busy--;
    release(t);
}

static size_t take_frames(const sb_msg *msg, uint32_t topic, uint32_t from, struct iovec *frames)
{
    size_t n = 0;
    frames[n++] =
        (struct iovec){.iov_base = (void *)msg->frames[topic].data, .iov_len = msg->frames[topic].len};
    for (uint32_t i = from; i < msg->n && n < FRAMES; i++)
        frames[n++] = (struct iovec){.iov_base = (void *)msg->frames[i].data, .iov_len = msg->frames[i].len};
    return n;
}

/* [topic][id][frames ...]: to the followers of every topic that it begins with. */
static void on_published(sb__follow *f, const sb_msg *msg)
{
    struct iovec frames[FRAMES];
    sb_event_id id;
    if (msg->n < 2 || msg->frames[1].len != SB__FEED_ID)
        return;
    sb__feed_id_get(msg->frames[1].data, &id);
    size_t n = take_frames(msg, 0, 2, frames), longest = msg->frames[0].len;
    for (size_t len = 0; len <= longest && len <= SB_FOLLOW_TOPIC; len++) {
        followed *t = f->lengths[len] > 0 ? sb_map_get(&f->topics, msg->frames[0].data, len) : NULL;
        if (t != NULL)
            hand_all(t, &id, frames, n);
    }
}

/* ---- answers ---- */

static void end_with(sb__follow *f, sb_follower *follower, sb_follow_status status)
{
    forget_question(f, follower);
    leave(follower);
    follower->on_status(follower, status);
}

/* The script gave another topic: follow that one; it is allowed already. */
static void go_elsewhere(sb__follow *f, sb_follower *follower, const sb_frame *text)
{
    forget_question(f, follower);
    leave(follower);
    if (ask(f, follower, text->data, text->len, SB__FEED_RESUME) != SB_OK)
        follower->on_status(follower, SB_FOLLOW_FULL);
}

/* [own][number][MISSED][topic][id][frames ...] */
static void on_missed(sb_follower *follower, const sb_msg *msg)
{
    struct iovec frames[FRAMES];
    sb_event_id id;
    if (msg->n < 5 || msg->frames[4].len != SB__FEED_ID)
        return;
    sb__feed_id_get(msg->frames[4].data, &id);
    size_t n = take_frames(msg, 3, 5, frames);
    hand(follower, follower->followed, &id, frames, n);
}

static void on_answer(sb__follow *f, const sb_msg *msg)
{
    if (msg->n < 4 || msg->frames[2].len != 1)
        return;
    sb_follower *follower = sb_map_get(&f->questions, msg->frames[1].data, msg->frames[1].len);
    if (follower == NULL)
        return;
    switch (msg->frames[2].data[0]) {
    case SB__FEED_MISSED:
        on_missed(follower, msg);
        break;
    case SB__FEED_OTHER:
        go_elsewhere(f, follower, &msg->frames[3]);
        break;
    case SB__FEED_OK:
        forget_question(f, follower);
        follower->on_status(follower, SB_FOLLOW_OK);
        break;
    case SB__FEED_DENIED:
        end_with(f, follower, SB_FOLLOW_DENIED);
        break;
    default:
        end_with(f, follower, SB_FOLLOW_FULL);
    }
}

static sb_err on_msg(sb_handler *self, sb_socket *sock, sb_peer *peer, sb_msg *msg)
{
    sb__follow *f = (sb__follow *)self;
    (void)sock, (void)peer;
    if (msg->n == 0)
        return SB_OK;
    if (msg->frames[0].len == SB__FEED_OWN && memcmp(msg->frames[0].data, f->own, SB__FEED_OWN) == 0)
        on_answer(f, msg);
    else
        on_published(f, msg);
    return SB_OK;
}

/* Messages may have gone with the connection: followers begin anew, from where they were. */
static void lose_all(sb__follow *f)
{
    size_t pos = 0;
    sb_map_entry *e;
    while ((e = sb_map_next(&f->topics, &pos)) != NULL) {
        followed *t = e->value;
        if (sb_list_empty(&t->followers))
            continue;
        end_with(f, follower_of(sb_list_first(&t->followers)), SB_FOLLOW_LOST);
        pos = 0; /* the map may have changed under the walk */
    }
}

/* The subscriptions go first, by themselves. */
static void ask_all(sb__follow *f)
{
    size_t pos = 0;
    for (sb_map_entry *e; (e = sb_map_next(&f->questions, &pos)) != NULL;)
        send_question(f, e->value, SB__FEED_ASK);
}

static void on_event(sb_handler *self, sb_socket *sock, const sb_event *event)
{
    (void)sock;
    if (event->kind == SB_EVENT_DISCONNECTED)
        lose_all((sb__follow *)self);
    else if (event->kind == SB_EVENT_HANDSHAKE_SUCCEEDED)
        ask_all((sb__follow *)self);
}

static void on_closed(sb_handler *self, sb_socket *sock)
{
    (void)sock;
    ((sb__follow *)self)->xsub = NULL;
}

/* ---- making ---- */

sb_err sb__follow_create(sb_engine *engine, const char *where, const sb_use *use, sb__follow **out)
{
    char name[SB_MESH_NAME], text[SB_MESH_NAME + 64];
    sb__follow *f = calloc(1, sizeof *f);
    if (f == NULL)
        return SB_ENOMEM;
    *out = f;
    f->handler = (sb_handler){.on_msg = on_msg, .on_event = on_event, .on_closed = on_closed};
    sb__gate_id(f->own + 1);
    sb_map_init(&f->topics);
    sb_map_init(&f->questions);
    sb__use_name(use, name, sizeof name);
    snprintf(text, sizeof text, "signalbox.gateway.%s", name);
    sb_err err = sb_socket_create(engine, SB_XSUB, text, &f->xsub);
    if (err != SB_OK)
        return err;
    sb_socket_set_handler(f->xsub, &f->handler);
    sb_socket_set_int(f->xsub, SB_OPT_LINGER, 0, NULL, 0);
    sb_socket_subscribe(f->xsub, f->own, sizeof f->own);
    snprintf(text, sizeof text, "%s%s", where, name);
    return sb_socket_connect(f->xsub, text, NULL, 0);
}

void sb__follow_destroy(sb__follow *f)
{
    size_t pos = 0;
    sb_map_entry *e;
    if (f == NULL)
        return;
    while ((e = sb_map_next(&f->topics, &pos)) != NULL) {
        followed *t = e->value;
        while (!sb_list_empty(&t->followers)) {
            sb_follower *follower = follower_of(sb_list_pop(&t->followers));
            follower->followed = NULL;
            follower->number = 0;
        }
        free(t);
    }
    sb_map_finish(&f->topics);
    sb_map_finish(&f->questions);
    free(f);
}

sb_err sb__follow_add(
    sb__follow *f, const void *topic, size_t len, const sb_event_id *since, sb_follower *follower)
{
    if (f->xsub == NULL)
        return SB_ECLOSED;
    if (len > SB_FOLLOW_TOPIC)
        return SB_EMSGSIZE;
    memcpy(follower->asked, topic, len);
    follower->asked_len = (uint32_t)len;
    follower->since = since != NULL ? *since : (sb_event_id){0};
    sb_list_node_init(node_of(follower));
    return ask(f, follower, topic, len, SB__FEED_ASK);
}

void sb_gateway_unfollow(sb_gateway *gw, sb_follower *follower)
{
    (void)gw;
    if (follower->followed == NULL)
        return;
    forget_question(follower->followed->follow, follower);
    leave(follower);
}
