/* Signalbox in nginx: memory that outlives configurations, workers and binaries.
 *
 * Each piece is an anonymous file whose descriptor every process of a master inherits. A new configuration
 * takes over the pieces of the old one by name and size; a new binary finds them through one variable of its
 * environment, as it finds the listening sockets. */
#include "ngx_signalbox_module.h"

#include <fcntl.h>
#include <sys/mman.h>

#define NGX_SIGNALBOX_KEPT_VAR "SIGNALBOX_KEPT" /* NAME:FD,NAME:FD,... */
#define NGX_SIGNALBOX_KEPT_MAX 512              /* octets of the variable's value that are believed */

/* ---- From binary to binary ---- */

/* Octets of a file without a name, -1: the descriptor is something else. */
static off_t ngx_signalbox_kept_size(int fd)
{
    struct stat st;
    return fd > 2 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_nlink == 0 ? st.st_size : -1;
}

/* The descriptor that the old binary left under this name, -1: none. */
static int ngx_signalbox_kept_inherited(const ngx_str_t *name)
{
    const char *at = getenv(NGX_SIGNALBOX_KEPT_VAR);
    if (at == NULL || ngx_strlen(at) > NGX_SIGNALBOX_KEPT_MAX)
        return -1;
    while (*at != '\0') {
        const char *colon = strchr(at, ':'), *end = strchr(at, ',');
        if (colon == NULL || end == NULL)
            return -1;
        if ((size_t)(colon - at) == name->len && ngx_strncmp(at, name->data, name->len) == 0)
            return ngx_atoi((u_char *)colon + 1, end - colon - 1);
        at = end + 1;
    }
    return -1;
}

/* For the next binary: as if an `env` directive stood in the configuration. */
ngx_int_t ngx_signalbox_kept_export(ngx_cycle_t *cycle, ngx_signalbox_conf_t *conf)
{
    ngx_core_conf_t *core = (ngx_core_conf_t *)ngx_get_conf(cycle->conf_ctx, ngx_core_module);
    ngx_signalbox_kept_t **kept = conf->kept.elts;
    u_char *text = ngx_pnalloc(cycle->pool, sizeof NGX_SIGNALBOX_KEPT_VAR + 1 + NGX_SIGNALBOX_KEPT_MAX);
    ngx_str_t *var = ngx_array_push(&core->env);
    if (text == NULL || var == NULL)
        return NGX_ERROR;
    u_char *p = ngx_cpymem(text, NGX_SIGNALBOX_KEPT_VAR "=", sizeof NGX_SIGNALBOX_KEPT_VAR);
    for (ngx_uint_t i = 0; i < conf->kept.nelts; i++)
        p = ngx_slprintf(p, text + sizeof NGX_SIGNALBOX_KEPT_VAR + NGX_SIGNALBOX_KEPT_MAX, "%V:%d,",
            &kept[i]->name, kept[i]->fd);
    *p = '\0';
    var->data = text;
    var->len = sizeof NGX_SIGNALBOX_KEPT_VAR - 1; /* a name followed by "=" carries its value */
    return NGX_OK;
}

/* What the old binary left and this configuration does not want. */
void ngx_signalbox_kept_forget(ngx_signalbox_conf_t *conf)
{
    char *at = getenv(NGX_SIGNALBOX_KEPT_VAR);
    while (at != NULL && (at = strchr(at, ':')) != NULL) {
        int fd = (int)strtol(at + 1, &at, 10);
        ngx_signalbox_kept_t **kept = conf != NULL ? conf->kept.elts : NULL;
        ngx_uint_t i, n = conf != NULL ? conf->kept.nelts : 0;
        for (i = 0; i < n && kept[i]->fd != fd; i++)
            ;
        if (i == n && ngx_signalbox_kept_size(fd) >= 0)
            close(fd);
    }
    unsetenv(NGX_SIGNALBOX_KEPT_VAR);
}

/* ---- From configuration to configuration ---- */

static void ngx_signalbox_kept_unref(void *data)
{
    ngx_signalbox_kept_t *kept = data;
    if (--kept->refs > 0)
        return;
    close(kept->fd);
    ngx_free(kept);
}

static ngx_signalbox_kept_t *ngx_signalbox_kept_find(ngx_signalbox_conf_t *conf, const ngx_str_t *name)
{
    ngx_signalbox_kept_t **kept = conf != NULL ? conf->kept.elts : NULL;
    for (ngx_uint_t i = 0; conf != NULL && i < conf->kept.nelts; i++)
        if (kept[i]->name.len == name->len && ngx_strncmp(kept[i]->name.data, name->data, name->len) == 0)
            return kept[i];
    return NULL;
}

static int ngx_signalbox_kept_open(const ngx_str_t *name, size_t size)
{
    int fd = ngx_signalbox_kept_inherited(name);
    if (ngx_signalbox_kept_size(fd) == (off_t)size)
        return fd;
    fd = memfd_create("signalbox", 0); /* survives the exec of a new binary */
    if (fd >= 0 && ftruncate(fd, (off_t)size) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

static ngx_signalbox_kept_t *ngx_signalbox_kept_make(const ngx_str_t *name, size_t size)
{
    ngx_signalbox_kept_t *kept = ngx_calloc(sizeof *kept + name->len, ngx_cycle->log);
    if (kept == NULL)
        return NULL;
    kept->name.len = name->len;
    kept->name.data = ngx_copy((u_char *)(kept + 1), name->data, name->len) - name->len;
    kept->size = size;
    kept->fd = ngx_signalbox_kept_open(name, size);
    if (kept->fd >= 0)
        return kept;
    ngx_free(kept);
    return NULL;
}

ngx_signalbox_kept_t *ngx_signalbox_kept_get(
    ngx_conf_t *cf, ngx_signalbox_conf_t *conf, const ngx_str_t *name, size_t size)
{
    ngx_signalbox_conf_t *old = ngx_signalbox_conf_of(cf->cycle->old_cycle);
    ngx_signalbox_kept_t **slot = ngx_array_push(&conf->kept), *kept = ngx_signalbox_kept_find(old, name);
    ngx_pool_cleanup_t *cleanup = ngx_pool_cleanup_add(cf->pool, 0);
    if (slot == NULL || cleanup == NULL)
        return NULL;
    if (kept == NULL || kept->size != size)
        kept = ngx_signalbox_kept_make(name, size);
    if (kept == NULL) {
        conf->kept.nelts--;
        ngx_conf_log_error(NGX_LOG_EMERG, cf, ngx_errno,
            "signalbox: cannot make shared memory \"%V\" of %uz octets", name, size);
        return NULL;
    }
    kept->refs++;
    cleanup->handler = ngx_signalbox_kept_unref;
    cleanup->data = kept;
    *slot = kept;
    return kept;
}

void *ngx_signalbox_kept_map(ngx_signalbox_kept_t *kept, ngx_log_t *log)
{
    void *p = mmap(NULL, kept->size, PROT_READ | PROT_WRITE, MAP_SHARED, kept->fd, 0);
    if (p != MAP_FAILED)
        return p;
    ngx_log_error(NGX_LOG_EMERG, log, ngx_errno, "signalbox: cannot map shared memory \"%V\"", &kept->name);
    return NULL;
}
