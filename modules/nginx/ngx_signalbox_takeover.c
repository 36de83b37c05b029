/* Signalbox in nginx: the connects of two generations do not meet. A worker that owns sockets holds a lock in
 * kept memory; the connects of the next one of its number wait until the lock is free. The kernel frees it
 * when a process dies.
 *
 * The lock is one of fcntl: it belongs to the process, although all of them inherit the descriptor. */
#include "ngx_signalbox_module.h"

#include <fcntl.h>
#include <sys/mman.h>

#define NGX_SIGNALBOX_TAKEOVER_POLL 10 /* ms */
#define NGX_SIGNALBOX_LOCKS         SB_TEAM_WORKERS

/* What the holder tells the one that waits. */
struct ngx_signalbox_lock_s {
    uint64_t drain_until; /* ms, monotonic: it will have ended by then; 0: it does not drain */
};

ngx_int_t ngx_signalbox_takeover_add(ngx_conf_t *cf, ngx_signalbox_conf_t *conf)
{
    static const ngx_str_t name = ngx_string("lock");
    conf->lock = ngx_signalbox_kept_get(cf, conf, &name, NGX_SIGNALBOX_LOCKS * sizeof(ngx_signalbox_lock_t));
    return conf->lock != NULL ? NGX_OK : NGX_ERROR;
}

/* With one owner the same one whatever its number is. */
static size_t ngx_signalbox_takeover_slot(ngx_signalbox_worker_t *w)
{
    return w->conf->all ? w->conf->me : 0;
}

static int ngx_signalbox_takeover_set(ngx_signalbox_worker_t *w, short type)
{
    struct flock lock = {
        .l_type = type, .l_whence = SEEK_SET, .l_start = (off_t)ngx_signalbox_takeover_slot(w), .l_len = 1};
    return fcntl(w->conf->lock->fd, F_SETLK, &lock);
}

static ngx_uint_t ngx_signalbox_takeover_try(ngx_signalbox_worker_t *w)
{
    if (ngx_signalbox_takeover_set(w, F_WRLCK) != 0)
        return 0;
    w->locked = 1;
    w->lock->drain_until = 0;
    return 1;
}

/* Nobody may be waited for beyond his own word. */
static ngx_uint_t ngx_signalbox_takeover_overdue(ngx_signalbox_worker_t *w)
{
    return w->lock->drain_until != 0 && ngx_current_msec > w->lock->drain_until;
}

static void ngx_signalbox_takeover_release(ngx_signalbox_worker_t *w, ngx_uint_t level, const char *why)
{
    if (!w->held)
        return;
    w->held = 0;
    ngx_log_error(level, w->log, 0, "signalbox: connecting, %s", why);
    w->api->engine_release_connects(w->engine);
    ngx_signalbox_worker_touch(w);
}

static void ngx_signalbox_takeover_on_poll(ngx_event_t *ev)
{
    ngx_connection_t *c = ev->data;
    ngx_signalbox_worker_t *w = c->data;
    if (ngx_signalbox_takeover_try(w)) {
        ngx_signalbox_takeover_release(w, NGX_LOG_NOTICE, "the old worker has ended its part");
        return;
    }
    if (ngx_signalbox_takeover_overdue(w))
        ngx_signalbox_takeover_release(w, NGX_LOG_WARN, "the old worker does not end");
    ngx_add_timer(&w->takeover, NGX_SIGNALBOX_TAKEOVER_POLL);
}

ngx_int_t ngx_signalbox_takeover_begin(ngx_signalbox_worker_t *w)
{
    if (!w->owner)
        return NGX_OK; /* what it connects to is its own generation */
    ngx_signalbox_lock_t *locks = ngx_signalbox_kept_map(w->conf->lock, w->log);
    if (locks == NULL)
        return NGX_ERROR;
    w->lock = &locks[ngx_signalbox_takeover_slot(w)];
    ngx_signalbox_worker_init_event(w, &w->takeover, ngx_signalbox_takeover_on_poll);
    if (ngx_signalbox_takeover_try(w))
        return NGX_OK;
    w->held = !w->conf->overlap;
    ngx_add_timer(&w->takeover, NGX_SIGNALBOX_TAKEOVER_POLL);
    return NGX_OK;
}

void ngx_signalbox_takeover_announce(ngx_signalbox_worker_t *w, ngx_msec_t longest)
{
    if (w->takeover.timer_set)
        ngx_del_timer(&w->takeover);
    if (w->locked)
        w->lock->drain_until = ngx_current_msec + longest;
}

void ngx_signalbox_takeover_end(ngx_signalbox_worker_t *w)
{
    if (w->lock == NULL)
        return;
    if (w->takeover.timer_set)
        ngx_del_timer(&w->takeover);
    if (w->locked)
        ngx_signalbox_takeover_set(w, F_UNLCK);
    w->locked = 0;
    munmap(w->lock - ngx_signalbox_takeover_slot(w), NGX_SIGNALBOX_LOCKS * sizeof *w->lock);
    w->lock = NULL;
}
