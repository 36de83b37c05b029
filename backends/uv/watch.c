/* Watches of a uv loop: one uv_poll_t each. Before: loop.c. libuv knows one handle per descriptor: a second
 * watch of the same number is SB_EEXIST. */
#include "backends/uv/uv.h"

#include <stdlib.h>

/* The handle outlives the watch, whose memory is its owner's again as soon as it is stopped. */
struct watch {
    uv_poll_t poll;
    struct sb__uv_loop *loop;
    sb_watch *owner; /* NULL: stopped */
    int mask;
};

static void handle_ready(uv_poll_t *poll, int status, int events)
{
    struct watch *watch = poll->data;
    sb_watch *w = watch->owner;
    sb__uv_loop_awake(watch->loop);
    if (status < 0) {
        /* libuv stops on an error condition and names no event: ask again, and let the owner's call find out.
         */
        events = watch->mask;
        watch->loop->unregistered = true;
        uv_poll_start(poll, watch->mask, handle_ready);
    }
    w->on_ready(w, (events & UV_READABLE) != 0, (events & UV_WRITABLE) != 0);
}

static void handle_closed(uv_handle_t *handle)
{
    struct watch *watch = handle->data;
    watch->loop->closing--;
    free(watch);
}

static sb_err watch_create(struct sb__uv_loop *loop, sb_watch *w)
{
    struct watch *watch = calloc(1, sizeof *watch);
    if (watch == NULL)
        return SB_ENOMEM;
    int status = uv_poll_init(&loop->uv, &watch->poll, w->fd);
    if (status < 0) {
        free(watch);
        return sb__uv_err(status);
    }
    watch->poll.data = watch;
    watch->loop = loop;
    watch->owner = w;
    w->state = watch;
    loop->watched++;
    return SB_OK;
}

sb_err sb__uv_watch_start(sb_loop *base, sb_watch *w, bool readable, bool writable)
{
    struct sb__uv_loop *loop = sb__uv_loop_from(base);
    sb_err err;
    if (w->state == NULL && (err = watch_create(loop, w)) != SB_OK)
        return err;
    struct watch *watch = w->state;
    int mask = (readable ? UV_READABLE : 0) | (writable ? UV_WRITABLE : 0);
    if (mask == watch->mask)
        return SB_OK;
    watch->mask = mask;
    loop->unregistered = true;
    return sb__uv_err(uv_poll_start(&watch->poll, mask, handle_ready));
}

void sb__uv_watch_stop(sb_loop *base, sb_watch *w)
{
    struct sb__uv_loop *loop = sb__uv_loop_from(base);
    struct watch *watch = w->state;
    if (watch == NULL)
        return;
    w->state = NULL;
    watch->owner = NULL;
    loop->watched--;
    loop->closing++;
    uv_close((uv_handle_t *)&watch->poll, handle_closed);
}
