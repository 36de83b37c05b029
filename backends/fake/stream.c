/* Streams in memory: connect, read, write, close. Before: listener.c. After: end.c. */
#include "backends/fake/internal.h"
#include "engine/trace.h"

#include <stdlib.h>

#define MAX_READ (64 * 1024)

static const sb_stream_impl stream_impl;

static struct fake_stream *fake_from_stream(const sb_stream *st)
{
    assert(st->impl == &stream_impl);
    return (struct fake_stream *)st; /* base is the first member */
}

static struct fake_stream *fake_from_job(struct fake_job *job)
{
    return (struct fake_stream *)((char *)job - offsetof(struct fake_stream, job));
}

static void stream_queue(struct fake_stream *fs)
{
    sb__fake_queue(fs->end.loop, &fs->job);
}

/* ---- What a turn tells ---- */

static sb_err meet_listener(struct fake_stream *fs)
{
    struct fake_listener *fln = sb__fake_find_listener(fs->end.loop, &fs->remote);
    sb_fake_weather *w = fs->end.loop->weather;
    if (fln == NULL)
        return SB_ECONNREFUSED;
    sb_err err = w != NULL && w->meet != NULL ? w->meet(w, fs->base.loop, fln->base.loop) : SB_OK;
    return err == SB_OK ? sb__fake_deliver(fln, &fs->end) : err;
}

static void tell_connected(struct fake_stream *fs)
{
    if (!fs->connecting || fs->closing)
        return;
    sb_err err = meet_listener(fs);
    fs->becalmed = err == SB_EAGAIN;
    if (fs->becalmed)
        return;
    fs->connecting = false;
    if (err != SB_OK) { /* nothing to read, and on_end would be one callback too many */
        fs->end.ended = fs->end_told = true;
        fs->end.why = err;
    }
    fs->base.events->on_connected(&fs->base, err);
}

/* The first complaint is the one that is kept. */
static void complain(struct fake_loop *fl, const char *what)
{
    if (fl->complaint == NULL)
        fl->complaint = what;
}

/* Of every octet of a write. */
static uint64_t sum_of(const struct iovec *iov, size_t n)
{
    uint64_t sum = 0xcbf29ce484222325ull;
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < iov[i].iov_len; k++)
            sum = (sum ^ ((const uint8_t *)iov[i].iov_base)[k]) * 0x100000001b3ull;
    return sum;
}

static void finish_write(struct fake_stream *fs, sb_err err)
{
    fs->iov = NULL;
    if (sum_of(fs->whole, fs->nwhole) != fs->sum)
        complain(fs->end.loop, "the octets of a write changed before on_written");
    fs->base.events->on_written(&fs->base, err);
}

static bool move_bytes(struct fake_stream *fs)
{
    while (fs->niov > 0) {
        const uint8_t *at = (const uint8_t *)fs->iov->iov_base + fs->iov_off;
        size_t left = fs->iov->iov_len - fs->iov_off;
        size_t n = left > 0 ? sb__fake_end_put(fs->end.peer, at, left) : 0;
        fs->iov_off += n;
        if (n < left)
            return false;
        fs->iov++;
        fs->niov--;
        fs->iov_off = 0;
    }
    return true;
}

static void tell_written(struct fake_stream *fs)
{
    if (fs->iov == NULL || fs->connecting || fs->closing)
        return;
    if (fs->end.peer == NULL || fs->end.peer->ended)
        finish_write(fs, fs->end.why != SB_OK && fs->end.why != SB_ECLOSED ? fs->end.why : SB_ECONNRESET);
    else if (move_bytes(fs))
        finish_write(fs, SB_OK);
}

/* How much of what is on the way arrives now. */
static size_t arriving(struct fake_stream *fs)
{
    const struct fake_end *end = &fs->end;
    sb_fake_weather *w = end->loop->weather;
    size_t most = end->loop->split > 0 && end->loop->split < MAX_READ ? end->loop->split : MAX_READ;
    size_t n = end->len < most ? end->len : most;
    if (w != NULL && w->pass != NULL)
        n = w->pass(w, end->peer != NULL ? &end->peer->loop->base : NULL, fs->base.loop, n);
    fs->becalmed = n == 0;
    return n;
}

static void tell_read(struct fake_stream *fs)
{
    struct fake_end *end = &fs->end;
    if (!fs->reading || fs->closing || end->len == 0)
        return;
    size_t n = arriving(fs);
    if (n == 0)
        return;
    sb_buf *buf = sb_buf_create(n);
    if (buf == NULL) {
        sb__fake_end_stop(end, SB_ENOMEM);
        return;
    }
    SB_TRACE(1);
    sb__fake_end_take(end, buf->data, n);
    fs->base.events->on_read(&fs->base, buf, buf->data, n);
    sb_buf_unref(buf);
    if (end->len > 0)
        stream_queue(fs);
}

static void tell_end(struct fake_stream *fs)
{
    struct fake_end *end = &fs->end;
    bool broken = end->why != SB_ECLOSED;
    if (!end->ended || end->len > 0 || fs->end_told || fs->closing || fs->connecting)
        return;
    if (!fs->reading && !broken)
        return;
    fs->end_told = true;
    fs->base.events->on_end(&fs->base, end->why);
}

static void tell_closed(struct fake_stream *fs)
{
    if (!fs->closing)
        return;
    if (fs->iov != NULL)
        finish_write(fs, SB_ECANCELED);
    fs->base.events->on_closed(&fs->base);
    sb__fake_stream_free(fs);
}

static void stream_run(struct fake_job *job)
{
    struct fake_stream *fs = fake_from_job(job);
    if (fs->closing) { /* closed before this turn: the last word, and fs is gone */
        tell_closed(fs);
        return;
    }
    tell_connected(fs);
    tell_written(fs);
    tell_read(fs);
    tell_end(fs);
}

/* ---- What the owner asks ---- */

static void stream_read_start(sb_stream *st)
{
    struct fake_stream *fs = fake_from_stream(st);
    if (fs->reading || fs->closing)
        return;
    fs->reading = true;
    stream_queue(fs);
}

static void stream_read_stop(sb_stream *st)
{
    fake_from_stream(st)->reading = false;
}

static sb_err stream_write(sb_stream *st, const struct iovec *iov, size_t n)
{
    struct fake_stream *fs = fake_from_stream(st);
    if (fs->closing)
        return SB_ECLOSED;
    if (fs->iov != NULL) {
        complain(fs->end.loop, "a second write while one is in flight");
        return SB_EAGAIN;
    }
    SB_TRACE(15);
    fs->iov = fs->whole = iov;
    fs->niov = fs->nwhole = n;
    fs->iov_off = 0;
    fs->sum = sum_of(iov, n);
    stream_queue(fs);
    return SB_OK;
}

static void stream_close(sb_stream *st)
{
    struct fake_stream *fs = fake_from_stream(st);
    if (fs->closing)
        return;
    fs->closing = true;
    fs->reading = false;
    sb__fake_end_finish(&fs->end, SB_ECLOSED);
    stream_queue(fs);
}

static sb_err stream_peer_addr(const sb_stream *st, sb_addr *out)
{
    *out = fake_from_stream(st)->remote;
    return SB_OK;
}

static sb_err stream_local_addr(const sb_stream *st, sb_addr *out)
{
    *out = fake_from_stream(st)->end.local;
    return SB_OK;
}

void sb_fake_break(sb_stream *st, sb_err why)
{
    struct fake_end *end = &fake_from_stream(st)->end;
    if (end->peer != NULL)
        sb__fake_end_stop(end->peer, why);
    sb__fake_end_stop(end, why);
}

void sb__fake_stir(struct fake_loop *fl)
{
    for (struct fake_stream *fs = fl->streams; fs != NULL; fs = fs->after) {
        if (fs->becalmed)
            stream_queue(fs);
        fs->becalmed = false;
    }
}

sb_stream *sb_fake_stream(sb_loop *loop, size_t n)
{
    for (struct fake_stream *fs = fake_from_loop(loop)->streams; fs != NULL; fs = fs->after)
        if (!fs->closing && !fs->connecting && n-- == 0)
            return &fs->base;
    return NULL;
}

static const sb_stream_impl stream_impl = {
    .read_start = stream_read_start,
    .read_stop = stream_read_stop,
    .write = stream_write,
    .close = stream_close,
    .peer_addr = stream_peer_addr,
    .local_addr = stream_local_addr,
};

struct fake_stream *sb__fake_stream_create(struct fake_loop *fl)
{
    struct fake_stream *fs = calloc(1, sizeof *fs);
    if (fs == NULL)
        return NULL;
    fs->base.loop = &fl->base;
    fs->base.impl = &stream_impl;
    fs->job.run = stream_run;
    fs->end.loop = fl;
    fs->end.job = &fs->job;
    fs->after = fl->streams;
    if (fs->after != NULL)
        fs->after->before = fs;
    fl->streams = fs;
    return fs;
}

void sb__fake_stream_free(struct fake_stream *fs)
{
    if (fs->before != NULL)
        fs->before->after = fs->after;
    else
        fs->end.loop->streams = fs->after;
    if (fs->after != NULL)
        fs->after->before = fs->before;
    free(fs);
}

sb_err sb__fake_connect(sb_loop *loop, const sb_addr *addr, const sb_sockopts *opts,
    const sb_stream_events *events, void *data, sb_stream **out)
{
    struct fake_loop *fl = fake_from_loop(loop);
    struct fake_stream *fs = sb__fake_stream_create(fl);
    if (fs == NULL)
        return SB_ENOMEM;
    fs->base.events = events;
    fs->base.data = data;
    fs->remote = *addr;
    fs->connecting = true;
    if (opts != NULL && opts->source != NULL)
        fs->end.local = *opts->source;
    else
        sb__fake_pick_local(fl, addr, &fs->end.local);
    stream_queue(fs);
    *out = &fs->base;
    return SB_OK;
}
