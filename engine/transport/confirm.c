/* Confirmations of subscriptions. Before: transport/conn.c. After: engine/session.h (sb_session_mark). */
#include "engine/transport/confirm.h"

#include "engine/base/list.h"

#include <stdlib.h>
#include <string.h>

typedef struct note {
    sb_list_node node;
    uint64_t number; /* of the PING behind it */
    size_t len;
    uint8_t topic[];
} note;

struct sb__confirm {
    sb_list notes; /* oldest first */
    uint32_t open;
    uint64_t number; /* of the next PING */
    bool due;
};

sb__confirm *sb__confirm_create(void)
{
    sb__confirm *c = calloc(1, sizeof *c);
    if (c == NULL)
        return NULL;
    sb_list_init(&c->notes);
    c->number = 1;
    return c;
}

static void remove_note(sb__confirm *c, note *n)
{
    sb_list_remove(&n->node);
    c->open--;
    free(n);
}

void sb__confirm_destroy(sb__confirm *c)
{
    if (c == NULL)
        return;
    while (!sb_list_empty(&c->notes))
        remove_note(c, SB_LIST_ENTRY(sb_list_first(&c->notes), note, node));
    free(c);
}

sb_err sb__confirm_note(sb__confirm *c, const uint8_t *topic, size_t len)
{
    note *n = malloc(sizeof *n + len);
    if (n == NULL)
        return SB_ENOMEM;
    n->number = c->number;
    n->len = len;
    if (len > 0)
        memcpy(n->topic, topic, len);
    sb_list_push_back(&c->notes, &n->node);
    c->open++;
    c->due = true;
    return SB_OK;
}

void sb__confirm_ask(sb__confirm *c, sb_session *session)
{
    if (c->due && sb_session_mark(session, c->number) == SB_OK) {
        c->number++;
        c->due = false;
    }
}

void sb__confirm_answer(sb__confirm *c, uint64_t number, sb__confirm_fn *fn, void *arg)
{
    while (!sb_list_empty(&c->notes)) {
        note *n = SB_LIST_ENTRY(sb_list_first(&c->notes), note, node);
        if (n->number > number)
            return;
        sb_list_remove(&n->node);
        c->open--;
        fn(arg, n->topic, n->len);
        free(n);
    }
}

uint32_t sb__confirm_open(const sb__confirm *c)
{
    return c->open;
}
