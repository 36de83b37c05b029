/* Heads of gathered writes: what the kernel wants beside the pieces. Lent for a write, since an idle stream
 * needs none. Before: stream.c. */
#include "backends/uring/uring.h"

#include <stdlib.h>

#define SPARE_MAX 64 /* kept for the next writes */

struct uring_head *sb__uring_head_get(struct uring_loop *loop)
{
    struct uring_head *head = loop->heads;
    if (head == NULL)
        return calloc(1, sizeof *head);
    loop->heads = head->next;
    loop->nheads--;
    return head;
}

void sb__uring_head_done(struct uring_loop *loop, struct uring_head *head)
{
    if (head == NULL)
        return;
    if (loop->nheads == SPARE_MAX) {
        free(head);
        return;
    }
    head->next = loop->heads;
    loop->heads = head;
    loop->nheads++;
}

void sb__uring_heads_finish(struct uring_loop *loop)
{
    struct uring_head *head;
    while ((head = loop->heads) != NULL) {
        loop->heads = head->next;
        free(head);
    }
}
