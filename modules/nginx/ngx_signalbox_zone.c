/* Signalbox in nginx: the `zone` directive's memory, for the scripts' sb.shared and for counters that go on
 * over workers and generations. After: ngx_signalbox_kept.c. */
#include "ngx_signalbox_module.h"

#include <sys/mman.h>

#define NGX_SIGNALBOX_KEEP_EVERY 1000 /* ms: what a killed worker may not have put there yet */

/* Made before there are workers: two that start together would both begin to. */
static sb_err ngx_signalbox_zone_make(ngx_signalbox_conf_t *conf, ngx_log_t *log)
{
    void *memory = ngx_signalbox_kept_map(conf->zone, log);
    sb_ledger *ledger = NULL;
    if (memory == NULL)
        return SB_ENOMEM;
    sb_err err = conf->api->ledger_create(memory, conf->zone_size, &ledger);
    conf->api->ledger_destroy(ledger);
    munmap(memory, conf->zone_size);
    return err;
}

ngx_int_t ngx_signalbox_zone_add(ngx_conf_t *cf, ngx_signalbox_conf_t *conf)
{
    u_char text[sizeof "zone." + NGX_SIGNALBOX_ZONE_NAME];
    ngx_str_t name = {.data = text};
    if (conf->zone_name.len == 0)
        return NGX_OK;
    name.len = ngx_sprintf(text, "zone.%V", &conf->zone_name) - text;
    conf->zone = ngx_signalbox_kept_get(cf, conf, &name, conf->zone_size);
    if (conf->zone == NULL)
        return NGX_ERROR;
    sb_err err = ngx_signalbox_zone_make(conf, cf->log);
    if (err == SB_OK)
        return NGX_OK;
    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
        "signalbox: zone \"%V\" of %uz octets is too small, or of another version (give it another name): %s",
        &conf->zone_name, conf->zone_size, conf->api->strerror(err));
    return NGX_ERROR;
}

ngx_int_t ngx_signalbox_zone_map(ngx_signalbox_conf_t *conf, ngx_log_t *log)
{
    if (conf->zone == NULL)
        return NGX_OK;
    conf->zone_memory = ngx_signalbox_kept_map(conf->zone, log);
    return conf->zone_memory != NULL ? NGX_OK : NGX_ERROR;
}

void ngx_signalbox_zone_take(ngx_signalbox_worker_t *w)
{
    if (w->ledger != NULL && w->board != NULL)
        w->api->ledger_take(w->ledger, w->board);
}

static void ngx_signalbox_zone_on_time(ngx_event_t *ev)
{
    ngx_connection_t *c = ev->data;
    ngx_signalbox_worker_t *w = c->data;
    ngx_signalbox_zone_take(w);
    ngx_add_timer(&w->keeper, NGX_SIGNALBOX_KEEP_EVERY);
}

ngx_int_t ngx_signalbox_zone_begin(ngx_signalbox_worker_t *w)
{
    if (w->conf->zone_memory == NULL)
        return NGX_OK;
    sb_err err = w->api->ledger_create(w->conf->zone_memory, w->conf->zone_size, &w->ledger);
    if (err != SB_OK) {
        ngx_log_error(NGX_LOG_EMERG, w->log, 0, "signalbox: zone \"%V\": %s", &w->conf->zone_name,
            w->api->strerror(err));
        return NGX_ERROR;
    }
    w->api->board_set_ledger(w->board, w->ledger);
    ngx_signalbox_worker_init_event(w, &w->keeper, ngx_signalbox_zone_on_time);
    ngx_add_timer(&w->keeper, NGX_SIGNALBOX_KEEP_EVERY);
    return NGX_OK;
}

void ngx_signalbox_zone_end(ngx_signalbox_worker_t *w)
{
    if (w->keeper.timer_set)
        ngx_del_timer(&w->keeper);
    ngx_signalbox_zone_take(w);
    if (w->board != NULL)
        w->api->board_set_ledger(w->board, NULL);
    w->api->ledger_destroy(w->ledger);
    w->ledger = NULL;
}
