/* Raw ends: a connection whose other side is the test itself. After: end.c, listener.c. */
#include "backends/fake/internal.h"

#include <stdlib.h>

sb_err sb_fake_connect_raw(sb_loop *loop, const sb_addr *addr, sb_fake_raw **out)
{
    struct fake_loop *fl = fake_from_loop(loop);
    struct fake_listener *fln = sb__fake_find_listener(fl, addr);
    if (fln == NULL)
        return SB_ECONNREFUSED;
    sb_fake_raw *raw = calloc(1, sizeof *raw);
    if (raw == NULL)
        return SB_ENOMEM;
    raw->end.loop = fl;
    sb__fake_pick_local(fl, addr, &raw->end.local);
    sb_err err = sb__fake_deliver(fln, &raw->end);
    if (err != SB_OK) {
        free(raw);
        return err;
    }
    *out = raw;
    return SB_OK;
}

size_t sb_fake_raw_write(sb_fake_raw *raw, const void *bytes, size_t n)
{
    return raw->end.peer != NULL ? sb__fake_end_put(raw->end.peer, bytes, n) : 0;
}

size_t sb_fake_raw_read(sb_fake_raw *raw, void *bytes, size_t cap)
{
    return sb__fake_end_take(&raw->end, bytes, cap);
}

size_t sb_fake_raw_available(const sb_fake_raw *raw)
{
    return raw->end.len;
}

bool sb_fake_raw_ended(const sb_fake_raw *raw)
{
    return raw->end.ended && raw->end.len == 0;
}

void sb_fake_raw_shutdown(sb_fake_raw *raw)
{
    if (raw->end.peer != NULL)
        sb__fake_end_stop(raw->end.peer, SB_ECLOSED);
}

void sb_fake_raw_close(sb_fake_raw *raw, sb_err why)
{
    if (raw == NULL)
        return;
    sb__fake_end_finish(&raw->end, why == SB_OK ? SB_ECLOSED : why);
    free(raw);
}
