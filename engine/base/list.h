/* An intrusive, circular, doubly linked list. Its place: below everything; no memory of its own.
 *
 * A node belongs to at most one list; a node that was initialised or removed is
 * linked to itself, so removing twice is harmless. */
#ifndef SB_BASE_LIST_H
#define SB_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

typedef struct sb_list_node sb_list_node;
typedef struct sb_list_node sb_list; /* the head; the same struct, another role */

struct sb_list_node {
    sb_list_node *next, *prev;
};

/* The struct of `type` whose member `member` is *node. */
#define SB_LIST_ENTRY(node, type, member) ((type *)((char *)(node)-offsetof(type, member)))

/* Walks `list` with `node` (an sb_list_node *). The body must not remove any node. */
#define SB_LIST_EACH(node, list) for (sb_list_node *node = (list)->next; node != (list); node = node->next)

/* The same; the body may remove `node` itself, no other. */
#define SB_LIST_EACH_SAFE(node, after, list)                                                                 \
    for (sb_list_node *node = (list)->next, *after = node->next; node != (list);                             \
         node = after, after = node->next)

/* Makes an empty list. */
static inline void sb_list_init(sb_list *list)
{
    list->next = list;
    list->prev = list;
}

/* Makes a node that is in no list. */
static inline void sb_list_node_init(sb_list_node *node)
{
    sb_list_init(node);
}

static inline bool sb_list_empty(const sb_list *list)
{
    return list->next == list;
}

/* Whether an initialised node is in a list. */
static inline bool sb_list_linked(const sb_list_node *node)
{
    return node->next != node;
}

/* Puts `node`, which is in no list, behind `at`. */
static inline void sb_list_insert_after(sb_list_node *at, sb_list_node *node)
{
    node->prev = at;
    node->next = at->next;
    at->next->prev = node;
    at->next = node;
}

static inline void sb_list_push_front(sb_list *list, sb_list_node *node)
{
    sb_list_insert_after(list, node);
}

static inline void sb_list_push_back(sb_list *list, sb_list_node *node)
{
    sb_list_insert_after(list->prev, node);
}

/* Takes `node` out of whatever list it is in; idempotent. */
static inline void sb_list_remove(sb_list_node *node)
{
    node->prev->next = node->next;
    node->next->prev = node->prev;
    sb_list_node_init(node);
}

/* First node, or NULL when empty. */
static inline sb_list_node *sb_list_first(const sb_list *list)
{
    return list->next == list ? NULL : list->next;
}

/* The node behind `node`, or NULL at the end. */
static inline sb_list_node *sb_list_next(const sb_list *list, const sb_list_node *node)
{
    return node->next == list ? NULL : node->next;
}

/* Takes the first node out and returns it, or NULL when empty. */
static inline sb_list_node *sb_list_pop(sb_list *list)
{
    sb_list_node *node = sb_list_first(list);

    if (node != NULL)
        sb_list_remove(node);
    return node;
}

/* Moves all nodes of `from` to the end of `to`, in order; `from` is empty then. */
static inline void sb_list_splice(sb_list *to, sb_list *from)
{
    if (sb_list_empty(from))
        return;
    from->next->prev = to->prev;
    to->prev->next = from->next;
    from->prev->next = to;
    to->prev = from->prev;
    sb_list_init(from);
}

#endif
