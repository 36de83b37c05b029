/* Watches of descriptors that only a test knows. Before: engine/loop.c. After: the test's sb_fake_kernel. */
#include "backends/fake/internal.h"

#include <stdlib.h>

/* One that was stopped stays until all are told: whoever is told may stop any. */
struct fake_watch {
    struct fake_watch *next;
    sb_watch *watch; /* NULL: stopped */
    bool readable, writable;
};

void sb_fake_set_kernel(sb_loop *loop, sb_fake_kernel *kernel)
{
    fake_from_loop(loop)->kernel = kernel;
    loop->impl = kernel != NULL ? &sb__fake_watching_impl : &sb__fake_impl;
}

static bool ready(const struct fake_loop *fl, const struct fake_watch *n, bool to_write)
{
    bool wanted = n->watch != NULL && (to_write ? n->writable : n->readable);
    return wanted && fl->kernel != NULL && fl->kernel->ready(fl->kernel, n->watch->fd, to_write);
}

bool sb__fake_watches_pending(const struct fake_loop *fl)
{
    for (const struct fake_watch *n = fl->watches; n != NULL; n = n->next)
        if (ready(fl, n, false) || ready(fl, n, true))
            return true;
    return false;
}

static void sweep(struct fake_loop *fl)
{
    struct fake_watch **at = &fl->watches;
    while (*at != NULL) {
        struct fake_watch *n = *at;
        if (n->watch != NULL) {
            at = &n->next;
            continue;
        }
        *at = n->next;
        free(n);
    }
}

/* What is started meanwhile is told the next time. */
void sb__fake_tell_watches(struct fake_loop *fl)
{
    fl->telling = true;
    for (struct fake_watch *n = fl->watches; n != NULL; n = n->next) {
        bool readable = ready(fl, n, false), writable = ready(fl, n, true);
        if (readable || writable)
            n->watch->on_ready(n->watch, readable, writable);
    }
    fl->telling = false;
    sweep(fl);
}

/* As a ring does it: without memory what was watched stays. */
sb_err sb__fake_watch_start(sb_loop *loop, sb_watch *w, bool readable, bool writable)
{
    struct fake_loop *fl = fake_from_loop(loop);
    struct fake_watch *n = malloc(sizeof *n);
    if (n == NULL)
        return SB_ENOMEM;
    sb__fake_watch_stop(loop, w);
    *n = (struct fake_watch){.next = fl->watches, .watch = w, .readable = readable, .writable = writable};
    fl->watches = n;
    w->state = n;
    return SB_OK;
}

void sb__fake_watch_stop(sb_loop *loop, sb_watch *w)
{
    struct fake_loop *fl = fake_from_loop(loop);
    struct fake_watch *n = w->state;
    if (n == NULL)
        return;
    n->watch = NULL;
    w->state = NULL;
    if (!fl->telling)
        sweep(fl);
}
