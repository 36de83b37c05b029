/* Signalbox in nginx: where libsignalbox.so is found and how it is kept apart.
 *
 * nginx loads its modules RTLD_GLOBAL, and one of them may export the symbols of another Lua. So this module
 * has none: the library comes in RTLD_LOCAL and looks at its own symbols first. It is never closed: workers
 * run in it. */
#include "ngx_signalbox_module.h"

#include <dlfcn.h>

#ifndef NGX_SIGNALBOX_SONAME
#define NGX_SIGNALBOX_SONAME "libsignalbox.so"
#endif
#ifndef NGX_SIGNALBOX_LIBDIR
#define NGX_SIGNALBOX_LIBDIR "/usr/local/lib"
#endif

/* A sanitizer must see every call, so it does not go with deep binding. */
static int ngx_signalbox_library_flags(void)
{
    int sanitized = dlsym(RTLD_DEFAULT, "__asan_init") != NULL ||
                    dlsym(RTLD_DEFAULT, "__ubsan_handle_add_overflow") != NULL ||
                    dlsym(RTLD_DEFAULT, "__tsan_init") != NULL;
    return RTLD_NOW | RTLD_LOCAL | (sanitized ? 0 : RTLD_DEEPBIND);
}

/* `dir`/SONAME; false when it would not fit. */
static ngx_uint_t ngx_signalbox_library_join(u_char *out, size_t cap, const char *dir, size_t len)
{
    u_char *p = ngx_snprintf(out, cap - 1, "%*s/%s", len, dir, NGX_SIGNALBOX_SONAME);
    *p = '\0';
    return p < out + cap - 1;
}

static void *ngx_signalbox_library_beside_module(void)
{
    u_char path[NGX_MAX_PATH];
    Dl_info info;
    if (dladdr(&ngx_signalbox_module, &info) == 0 || info.dli_fname == NULL)
        return NULL;
    const char *slash = strrchr(info.dli_fname, '/');
    if (slash == NULL ||
        !ngx_signalbox_library_join(path, sizeof path, info.dli_fname, slash - info.dli_fname))
        return NULL;
    if (access((char *)path, R_OK) != 0)
        return NULL;
    return dlopen((char *)path, ngx_signalbox_library_flags());
}

static void *ngx_signalbox_library_installed(void)
{
    u_char path[NGX_MAX_PATH];
    if (ngx_signalbox_library_join(
            path, sizeof path, NGX_SIGNALBOX_LIBDIR, sizeof NGX_SIGNALBOX_LIBDIR - 1) &&
        access((char *)path, R_OK) == 0)
        return dlopen((char *)path, ngx_signalbox_library_flags());
    return dlopen(NGX_SIGNALBOX_SONAME, ngx_signalbox_library_flags());
}

static void *ngx_signalbox_library_find(ngx_str_t *path)
{
    dlerror();
    if (path->len != 0)
        return dlopen((char *)path->data, ngx_signalbox_library_flags());
    void *handle = ngx_signalbox_library_beside_module();
    return handle != NULL || dlerror() != NULL ? handle : ngx_signalbox_library_installed();
}

const sb_api *ngx_signalbox_library_open(ngx_conf_t *cf, ngx_str_t *path)
{
    void *handle = ngx_signalbox_library_find(path);
    if (handle == NULL) {
        const char *why = dlerror();
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "signalbox: cannot open the library: %s",
            why != NULL ? why : NGX_SIGNALBOX_SONAME " is unreadable");
        return NULL;
    }
    sb_api_get_fn get = (sb_api_get_fn)(uintptr_t)dlsym(handle, SB_API_SYMBOL);
    const sb_api *api = get != NULL ? get(SB_API_VERSION) : NULL;
    if (api != NULL && api->size >= sizeof *api)
        return api;
    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
        "signalbox: the library is of another version than this module (interface %d)", SB_API_VERSION);
    return NULL;
}
