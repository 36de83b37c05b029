/* Signalbox in nginx: the graceful end of a worker (quit, reload).
 *
 * nginx leaves its loop as soon as no timer holds it, so draining holds one. nginx calls the read handler of
 * idle connections when it begins to quit, so a connection without a descriptor watches for that. Order:
 * listening stops (the new worker accepts), scripts learn that the end is near, queues are sent, then
 * everything is closed. */
#include "ngx_http_signalbox.h"

#define NGX_SIGNALBOX_NO_FD ((ngx_socket_t)-2)
#define NGX_SIGNALBOX_LOOK  10 /* ms between looks at whether answers are still awaited */
#define NGX_SIGNALBOX_SLACK                                                                                  \
    1000 /* ms beyond linger until the engine's own deadline is no longer believed in */

static void ngx_signalbox_drain_on_drained(sb_drain *self, const sb_drain_report *report)
{
    ngx_signalbox_worker_t *w =
        (ngx_signalbox_worker_t *)((u_char *)self - offsetof(ngx_signalbox_worker_t, drain));
    w->report = *report;
    w->drained = 1; /* the engine may not be destroyed from in here */
}

void ngx_signalbox_drain_done(ngx_signalbox_worker_t *w)
{
    ngx_uint_t level = w->report.unsent_msgs == 0 ? NGX_LOG_NOTICE : NGX_LOG_WARN;
    if (w->owner || w->report.unsent_msgs != 0)
        ngx_log_error(level, w->log, 0, "signalbox: drained, %uL messages unsent, %uL incomplete",
            w->report.unsent_msgs, w->report.incomplete_msgs);
    if (w->report.unread_peers != 0)
        ngx_log_error(NGX_LOG_WARN, w->log, 0,
            "signalbox: linger was over before %uD peers were read to their end", w->report.unread_peers);
    ngx_signalbox_worker_end(w);
}

void ngx_signalbox_drain_force(ngx_signalbox_worker_t *w)
{
    if (w->board != NULL)
        ngx_log_error(NGX_LOG_WARN, w->log, 0, "signalbox: drain cut short, %uL messages unsent",
            w->api->board_unsent(w->board));
    ngx_signalbox_worker_end(w);
}

void ngx_signalbox_drain_skip(ngx_signalbox_worker_t *w)
{
    uint64_t unsent = w->board != NULL ? w->api->board_unsent(w->board) : 0;
    if (unsent != 0)
        ngx_log_error(NGX_LOG_WARN, w->log, 0, "signalbox: ended at once, %uL messages unsent", unsent);
    ngx_signalbox_worker_end(w);
}

static void ngx_signalbox_drain_on_hold(ngx_event_t *ev)
{
    ngx_connection_t *c = ev->data;
    ngx_signalbox_drain_force(c->data);
}

static void ngx_signalbox_drain_begin(ngx_signalbox_worker_t *w)
{
    ngx_msec_t linger = w->conf->linger;
    if (w->draining || w->board == NULL)
        return;
    w->draining = 1;
    if (w->ledger != NULL)
        w->api->ledger_leave(w->ledger);
    w->drain.on_drained = ngx_signalbox_drain_on_drained;
    w->hold.data = &w->nobody;
    w->hold.handler = ngx_signalbox_drain_on_hold;
    w->hold.log = w->log;
    ngx_add_timer(&w->hold, linger + NGX_SIGNALBOX_SLACK); /* not cancelable */
    ngx_signalbox_takeover_announce(w, linger + 2 * NGX_SIGNALBOX_SLACK);
    if (w->api->board_drain(w->board, linger * SB_NS_PER_MS, &w->drain) != SB_OK) {
        ngx_signalbox_drain_force(w);
        return;
    }
    ngx_signalbox_listen_drop(w->conf);
    ngx_signalbox_worker_touch(w);
}

/* HTTP requests that wait for an answer here; in the owner also the other workers' gateways, which go when
 * theirs have come. */
static ngx_uint_t ngx_signalbox_drain_awaited(ngx_signalbox_worker_t *w)
{
    sb_gateway_stats stats;
    if (w->gateway == NULL || w->board == NULL)
        return 0;
    w->api->gateway_stats(w->gateway, &stats);
    return stats.waiting > 0 || (w->owner && w->api->mesh_gateways(w->engine) > 0);
}

static void ngx_signalbox_drain_wait(ngx_signalbox_worker_t *w);

static void ngx_signalbox_drain_on_wait(ngx_event_t *ev)
{
    ngx_connection_t *c = ev->data;
    ngx_signalbox_drain_wait(c->data);
}

/* Answers are waited for as long as queues would be: linger. */
static void ngx_signalbox_drain_wait(ngx_signalbox_worker_t *w)
{
    if (!ngx_signalbox_drain_awaited(w) || ngx_current_msec - w->quit >= w->conf->linger) {
        ngx_signalbox_drain_begin(w);
        return;
    }
    w->hold.data = &w->nobody;
    w->hold.handler = ngx_signalbox_drain_on_wait;
    w->hold.log = w->log;
    ngx_add_timer(&w->hold, NGX_SIGNALBOX_LOOK); /* not cancelable */
}

static void ngx_signalbox_drain_on_quit(ngx_event_t *ev)
{
    ngx_connection_t *c = ev->data;
    ngx_signalbox_worker_t *w = c->data;
    if (!c->close)
        return;
    ngx_signalbox_drain_unwatch(w);
    ngx_http_signalbox_quit(w);
    w->quit = ngx_current_msec;
    ngx_signalbox_drain_wait(w);
}

ngx_int_t ngx_signalbox_drain_watch(ngx_signalbox_worker_t *w)
{
    ngx_connection_t *c = ngx_get_connection(0, w->log);
    if (c == NULL)
        return NGX_ERROR;
    c->fd = NGX_SIGNALBOX_NO_FD;
    c->idle = 1;
    c->data = w;
    c->log = w->log;
    c->read->handler = ngx_signalbox_drain_on_quit;
    c->read->log = c->write->log = w->log;
    w->watcher = c;
    return NGX_OK;
}

void ngx_signalbox_drain_unwatch(ngx_signalbox_worker_t *w)
{
    ngx_connection_t *c = w->watcher;
    w->watcher = NULL;
    if (c == NULL)
        return;
    c->idle = 0;
    c->fd = 0;
    ngx_free_connection(c);
    c->fd = (ngx_socket_t)-1;
}
