/* Which loop: sb_loop_open and its fallback from io_uring to libuv. */
#include "backends/backends.h"

#include <stdio.h>
#include <string.h>

#if !SB_BACKEND_URING
sb_err sb__uring_create(const sb__uring_setup *setup, const char **reason, sb_loop **out)
{
    (void)setup, (void)out;
    *reason = "not part of this build";
    return SB_ENOSYS;
}
#endif

#if !SB_BACKEND_UV
sb_err sb__uv_create(sb_loop **out)
{
    (void)out;
    return SB_ENOSYS;
}
#endif

static sb_err open_uring(char *notice, size_t cap, sb_loop **out)
{
    const char *reason = NULL;
    sb_err err = sb__uring_create(NULL, &reason, out);
    if (err != SB_OK && cap > 0)
        snprintf(notice, cap, "io_uring is not available (%s)", reason);
    return err;
}

static sb_err open_uv(char *notice, size_t cap, sb_loop **out)
{
    (void)notice, (void)cap;
    return sb__uv_create(out);
}

static sb_err open_auto(char *notice, size_t cap, sb_loop **out)
{
    const char *reason = NULL;
    if (sb__uring_create(NULL, &reason, out) == SB_OK)
        return SB_OK;
    if (cap > 0)
        snprintf(notice, cap, "io_uring is not available (%s), using libuv", reason);
    return sb__uv_create(out);
}

static const struct {
    const char *name;
    sb_err (*open)(char *notice, size_t cap, sb_loop **out);
} backends[] = {
    {"auto", open_auto},
    {"uring", open_uring},
    {"uv", open_uv},
};

sb_err sb_loop_open(const char *backend, char *notice, size_t notice_cap, sb_loop **out)
{
    if (backend == NULL)
        backend = "auto";
    if (notice == NULL)
        notice_cap = 0;
    if (notice_cap > 0)
        notice[0] = '\0';
    for (size_t i = 0; i < sizeof backends / sizeof *backends; i++)
        if (strcmp(backend, backends[i].name) == 0)
            return backends[i].open(notice, notice_cap, out);
    return SB_EINVAL;
}
