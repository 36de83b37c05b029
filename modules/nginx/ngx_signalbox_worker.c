/* Signalbox in nginx: the engine in the worker's loop. One connection slot for its descriptor, one timer for
 * its deadline, one posted event where it wants to be stepped at once. */
#include "ngx_signalbox_access.h"
#include "ngx_signalbox_gateway.h"
#include "ngx_signalbox_mesh.h"

#define NGX_SIGNALBOX_CONNECTIONS                                                                            \
    3 /* the engine's descriptor, the watcher, and nginx's own channel after us */

static ngx_signalbox_worker_t *ngx_signalbox_worker_of(sb_host *self)
{
    return (ngx_signalbox_worker_t *)self;
}

static void ngx_signalbox_worker_log(sb_host *self, sb_log_level level, const char *line)
{
    ngx_signalbox_log(ngx_signalbox_worker_of(self)->log, level, line);
}

/* A line per coming and going of a peer, at the level of nginx's own clients. */
static void ngx_signalbox_worker_event(sb_host *self, sb_socket *sock, const sb_event *event)
{
    ngx_signalbox_worker_t *w = ngx_signalbox_worker_of(self);
    char line[512];
    if (w->log->log_level >= NGX_LOG_INFO && w->api->event_line(sock, event, line, sizeof line) > 0)
        ngx_log_error(NGX_LOG_INFO, w->log, 0, "signalbox: %s", line);
}

static int ngx_signalbox_worker_listen_fd(sb_host *self, const char *endpoint)
{
    return ngx_signalbox_listen_find(ngx_signalbox_worker_of(self)->conf, endpoint);
}

static int ngx_signalbox_worker_connect_fd(sb_host *self, const char *endpoint)
{
    return ngx_signalbox_mesh_connect(ngx_signalbox_worker_of(self)->conf, endpoint);
}

/* ---- Steps ---- */

/* nginx keeps an old deadline when the new one is close to it, so an earlier one has to be set anew. */
static void ngx_signalbox_worker_set_timer(ngx_signalbox_worker_t *w, int ms)
{
    if (w->timer.timer_set && ms >= 0 && w->timer.timer.key == ngx_current_msec + (ngx_msec_t)ms)
        return;
    if (w->timer.timer_set)
        ngx_del_timer(&w->timer);
    if (ms > 0)
        ngx_add_timer(&w->timer, (ngx_msec_t)ms);
}

/* Not ngx_posted_events: outside of nginx's turn (start, quit) only this queue keeps it from sleeping. */
void ngx_signalbox_worker_touch(ngx_signalbox_worker_t *w)
{
    if (w->board == NULL)
        return;
    ngx_post_event(&w->step, &ngx_posted_next_events);
}

static void ngx_signalbox_worker_arm(ngx_signalbox_worker_t *w)
{
    int ms = w->api->engine_timeout(w->engine);
    ngx_signalbox_worker_set_timer(w, ms);
    if (ms == 0)
        ngx_signalbox_worker_touch(w);
}

static void ngx_signalbox_worker_step(ngx_signalbox_worker_t *w)
{
    if (w->board == NULL)
        return;
    if (w->draining)
        ngx_signalbox_zone_take(w); /* sockets that close in this step take their counts with them */
    sb_err err = w->api->engine_step(w->engine);
    if (w->drained) {
        ngx_signalbox_drain_done(w);
        return;
    }
    if (err != SB_OK) {
        ngx_log_error(
            NGX_LOG_ERR, w->log, 0, "signalbox: the loop failed: %s, ending", w->api->strerror(err));
        ngx_signalbox_worker_end(w);
        return;
    }
    ngx_signalbox_worker_arm(w);
}

static void ngx_signalbox_worker_on_loop(ngx_event_t *ev)
{
    ngx_connection_t *c = ev->data;
    ngx_signalbox_worker_t *w = c->data;
    if (c->close) { /* worker_shutdown_timeout */
        ngx_signalbox_drain_force(w);
        return;
    }
    ngx_signalbox_worker_step(w);
}

static void ngx_signalbox_worker_on_time(ngx_event_t *ev)
{
    ngx_connection_t *c = ev->data;
    ngx_signalbox_worker_step(c->data);
}

/* ---- Start ---- */

void ngx_signalbox_worker_init_event(ngx_signalbox_worker_t *w, ngx_event_t *ev, ngx_event_handler_pt handler)
{
    ev->data = &w->nobody;
    ev->handler = handler;
    ev->log = w->log;
    ev->cancelable = 1;
}

static ngx_signalbox_worker_t *ngx_signalbox_worker_create(
    ngx_cycle_t *cycle, ngx_signalbox_conf_t *conf, ngx_uint_t owner)
{
    ngx_signalbox_worker_t *w = ngx_pcalloc(cycle->pool, sizeof *w);
    if (w == NULL)
        return NULL;
    w->host.log = ngx_signalbox_worker_log;
    w->host.event = ngx_signalbox_worker_event;
    w->host.listen_fd = ngx_signalbox_worker_listen_fd;
    w->host.connect_fd = ngx_signalbox_worker_connect_fd;
    w->owner = owner;
    ngx_queue_init(&w->streams);
    w->conf = conf;
    w->api = conf->api;
    w->log = cycle->log;
    w->nobody.fd = (ngx_socket_t)-1;
    w->nobody.data = w;
    ngx_signalbox_worker_init_event(w, &w->timer, ngx_signalbox_worker_on_time);
    ngx_signalbox_worker_init_event(w, &w->step, ngx_signalbox_worker_on_time);
    return w;
}

/* Asking nginx for a connection it does not have would log an alert. */
static ngx_int_t ngx_signalbox_worker_has_room(ngx_signalbox_worker_t *w)
{
    if (ngx_cycle->free_connection_n >= NGX_SIGNALBOX_CONNECTIONS)
        return NGX_OK;
    ngx_log_error(NGX_LOG_EMERG, w->log, 0,
        "signalbox: worker_connections are not enough: %d more are needed, this worker runs without it",
        NGX_SIGNALBOX_CONNECTIONS);
    return NGX_ERROR;
}

static ngx_int_t ngx_signalbox_worker_open(ngx_signalbox_worker_t *w, ngx_pool_t *pool)
{
    sb_board_error error;
    const sb_board_config config = {
        .backend = w->conf->backend,
        .host = &w->host,
        .max_peers = (uint32_t)w->conf->max_peers,
        .max_queued = w->conf->queue_limit,
        .hold_connects = w->held,
        .worker = w->conf->all ? (uint32_t)w->conf->me : 0,
        .workers = w->conf->all ? (uint32_t)w->conf->workers : 0,
        .scripts = ngx_signalbox_scripts_config(pool, w->conf),
        .nscripts = w->owner ? w->conf->scripts.nelts : 0,
    };
    if (config.scripts == NULL)
        return NGX_ERROR;
    if (w->api->board_create(&config, &error, &w->board) != SB_OK) {
        ngx_log_error(NGX_LOG_EMERG, w->log, 0, "signalbox: %s, this worker runs without it", error.text);
        return NGX_ERROR;
    }
    w->engine = w->api->board_engine(w->board);
    return NGX_OK;
}

static ngx_int_t ngx_signalbox_worker_poll(ngx_signalbox_worker_t *w)
{
    w->loop = ngx_get_connection(w->api->engine_fd(w->engine), w->log);
    if (w->loop == NULL)
        return NGX_ERROR;
    w->loop->data = w;
    w->loop->log = w->log;
    w->loop->read->handler = ngx_signalbox_worker_on_loop;
    w->loop->read->log = w->loop->write->log = w->log;
    return ngx_add_event(w->loop->read, NGX_READ_EVENT, NGX_LEVEL_EVENT);
}

static void ngx_signalbox_worker_ready(ngx_signalbox_worker_t *w)
{
    if (!w->owner)
        return;
    ngx_log_error(NGX_LOG_NOTICE, w->log, 0, "signalbox: ready backend=%s sockets=%uD",
        w->api->engine_backend(w->engine), w->api->engine_sockets(w->engine));
}

/* Peers beyond the limit of descriptors would only wait in the backlog. */
static void ngx_signalbox_worker_check_limit(ngx_signalbox_worker_t *w)
{
    struct rlimit limit;
    if (!w->conf->max_peers_set || getrlimit(RLIMIT_NOFILE, &limit) != 0 ||
        limit.rlim_cur >= w->conf->max_peers)
        return;
    ngx_log_error(NGX_LOG_WARN, w->log, 0,
        "signalbox: max_peers %ui is more than the open file limit of %uL, see worker_rlimit_nofile",
        w->conf->max_peers, (uint64_t)limit.rlim_cur);
}

void ngx_signalbox_worker_start(ngx_cycle_t *cycle, ngx_signalbox_conf_t *conf, ngx_uint_t owner)
{
    ngx_signalbox_worker_t *w = ngx_signalbox_worker_create(cycle, conf, owner);
    if (w == NULL)
        return;
    conf->worker = w;
    if (ngx_signalbox_worker_has_room(w) != NGX_OK || ngx_signalbox_takeover_begin(w) != NGX_OK ||
        ngx_signalbox_zone_map(conf, w->log) != NGX_OK ||
        ngx_signalbox_worker_open(w, cycle->pool) != NGX_OK ||
        ngx_signalbox_access_begin(w, cycle->pool) != NGX_OK || ngx_signalbox_zone_begin(w) != NGX_OK ||
        ngx_signalbox_worker_poll(w) != NGX_OK || ngx_signalbox_drain_watch(w) != NGX_OK) {
        ngx_signalbox_worker_end(w);
        return;
    }
    ngx_signalbox_worker_ready(w);
    ngx_signalbox_worker_check_limit(w);
    if (ngx_signalbox_gateway_start(w, cycle->pool) != NGX_OK) {
        ngx_signalbox_worker_end(w);
        return;
    }
    ngx_signalbox_worker_touch(w);
}

/* ---- End ---- */

static void ngx_signalbox_worker_unpoll(ngx_signalbox_worker_t *w)
{
    ngx_connection_t *c = w->loop;
    w->loop = NULL;
    if (c == NULL)
        return;
    if (c->read->active)
        ngx_del_event(c->read, NGX_READ_EVENT, 0); /* while the engine still has the descriptor open */
    ngx_free_connection(c);
    c->fd = (ngx_socket_t)-1;
}

void ngx_signalbox_worker_end(ngx_signalbox_worker_t *w)
{
    if (w->timer.timer_set)
        ngx_del_timer(&w->timer);
    if (w->step.posted) {
        ngx_delete_posted_event(&w->step); /* a macro of two statements */
    }
    if (w->hold.timer_set)
        ngx_del_timer(&w->hold);
    ngx_signalbox_drain_unwatch(w);
    ngx_signalbox_worker_unpoll(w);
    ngx_signalbox_zone_end(w);
    ngx_signalbox_access_end(w);
    sb_board *board = w->board;
    ngx_signalbox_gateway_stop(w);
    w->board = NULL;
    w->engine = NULL;
    if (board != NULL)
        w->api->board_destroy(board);
    ngx_signalbox_gateway_free(w);
    ngx_signalbox_takeover_end(w);
    ngx_signalbox_listen_drop(w->conf);
    w->conf->worker = NULL;
}
