/* What all filters do alike: buffers, one write in flight, back-pressure, the end in order.
 * Before: the stream below (the backend's, or another filter). After: the filter's implementation, conn.c. */
#include "engine/transport/filter.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define OWED_MAX      (64 * 1024)       /* answers that wait: a peer that does not read them is not read */
#define HEADS         64                /* what goes up may be this much longer than what came */
#define CLOSE_TIMEOUT (1 * SB_NS_PER_S) /* how long last words may take */

static sb__filter *of(const sb_stream *st)
{
    return (sb__filter *)st; /* base is the first member */
}

static sb__filter *above(sb_stream *below)
{
    return below->data;
}

/* ---- down ---- */

static void close_below(sb__filter *f)
{
    f->closed_below = true;
    sb_timer_stop(f->hub->loop, &f->timer);
    sb_list_remove(&f->last);
    sb__task_cancel(&f->flush);
    sb_stream_close(f->below);
}

/* All is written: end our side, if that is wanted. After a failure the peer may still be sending, and closing
 * at once could reset the connection before it has read why: then its end is awaited. */
static void drained(sb__filter *f)
{
    bool failed = f->err != SB_OK && f->err != SB_ECLOSED, wait = false;
    if ((f->shut || failed) && !f->shut_below && !f->broken) {
        f->shut_below = true;
        wait = sb_stream_shutdown(f->below) == SB_OK && failed;
    }
    if (f->closing && wait)
        sb_stream_read_start(f->below);
    else if (f->closing)
        close_below(f);
}

static void tell_written(sb__filter *f, sb_err err)
{
    f->above = SB__ABOVE_IDLE;
    f->held = NULL;
    f->base.events->on_written(&f->base, err);
}

static void write_down(sb__filter *f)
{
    if (sb__bytes_len(&f->flight) > 0 || f->above == SB__ABOVE_PASSES || f->closed_below || f->broken)
        return;
    if (sb__bytes_len(&f->out) == 0 && f->above == SB__ABOVE_PUT && !f->closing)
        tell_written(f, SB_OK); /* it was taken, and there was nothing in it for below */
    if (sb__bytes_len(&f->out) == 0) {
        drained(f);
        return;
    }
    f->flight = f->out;
    f->out = (sb__bytes){0};
    f->owed_flight = f->owed;
    f->owed = 0;
    if (f->above == SB__ABOVE_PUT)
        f->above = SB__ABOVE_FLIES;
    f->flight_iov = (struct iovec){(void *)sb__bytes_data(&f->flight), sb__bytes_len(&f->flight)};
    if (sb_stream_write(f->below, &f->flight_iov, 1) != SB_OK)
        close_below(f);
}

static void flush(sb__task *task)
{
    write_down((sb__filter *)((char *)task - offsetof(sb__filter, flush)));
}

/* ---- up ---- */

static void adjust(sb__filter *f)
{
    bool room = f->owed + f->owed_flight <= OWED_MAX;
    if (f->closing)
        return;
    if (f->want && f->started && f->err == SB_OK && f->up_len == 0 && room)
        sb_stream_read_start(f->below);
    else
        sb_stream_read_stop(f->below);
}

static void give_up(sb__filter *f)
{
    sb_buf *buf = f->up;
    size_t len = f->up_len;
    f->up = NULL;
    f->up_len = 0;
    if (len > 0 && !f->closing)
        f->base.events->on_read(&f->base, buf, buf->data, len);
    sb_buf_unref(buf);
}

static void tell_end(sb__filter *f)
{
    bool broke = f->err != SB_ECLOSED;
    if (f->up_len > 0 || f->end_told || f->closing || !(f->want || broke))
        return;
    f->end_told = true;
    f->base.events->on_end(&f->base, f->err);
}

/* A write that was not taken by the end is not taken any more: who does not read would wait for it for ever.
 */
static void tell(sb__filter *f)
{
    if (f->want && f->up_len > 0 && !f->closing)
        give_up(f);
    if (f->err == SB_OK)
        return;
    tell_end(f);
    if (f->above == SB__ABOVE_HELD && f->started && !f->through && !f->closing)
        tell_written(f, f->err == SB_ECLOSED ? SB_ECONNRESET : f->err);
}

static void end(sb__filter *f, sb_err err)
{
    if (f->err == SB_OK)
        f->err = err;
}

static sb_err write_held(sb__filter *f)
{
    if (f->through) {
        if (sb__bytes_len(&f->flight) + sb__bytes_len(&f->out) > 0)
            return SB_EAGAIN;
        f->above = SB__ABOVE_PASSES;
        return sb_stream_write(f->below, f->held, f->held_n);
    }
    sb_err err = f->impl->write(f, f->held, f->held_n);
    if (err == SB_OK)
        f->above = SB__ABOVE_PUT;
    return err;
}

/* After every call of the implementation. */
static void settle(sb__filter *f, sb_err err)
{
    if (err == SB_OK && f->above == SB__ABOVE_HELD) {
        err = write_held(f);
        err = err == SB_EAGAIN ? SB_OK : err;
    }
    if (f->out.failed)
        err = SB_ENOMEM;
    if (err != SB_OK)
        end(f, err);
    if (sb__bytes_len(&f->out) > 0 || (f->err != SB_OK && f->above == SB__ABOVE_IDLE))
        sb__hub_output(f->hub, &f->flush);
}

static void work(sb__task *task)
{
    sb__filter *f = (sb__filter *)((char *)task - offsetof(sb__filter, work));
    tell(f);
    adjust(f);
}

/* ---- from below ---- */

static void on_read(sb_stream *st, sb_buf *buf, const uint8_t *data, size_t len)
{
    sb__filter *f = above(st);
    if (f->closing || f->err != SB_OK)
        return; /* only the end of the peer's side is awaited */
    if (f->through) {
        f->base.events->on_read(&f->base, buf, data, len);
        return;
    }
    size_t before = sb__bytes_len(&f->out);
    f->hint = len + HEADS;
    sb_err err = f->impl->read(f, data, len);
    f->owed += sb__bytes_len(&f->out) - before;
    settle(f, err);
    tell(f);
    adjust(f);
}

static void on_end(sb_stream *st, sb_err why)
{
    sb__filter *f = above(st);
    f->broken = true;
    if (f->closing) {
        close_below(f);
        return;
    }
    if (f->err == SB_OK && f->impl->ended != NULL && !f->through)
        f->impl->ended(f);
    end(f, why);
    tell(f);
}

static void on_written(sb_stream *st, sb_err err)
{
    sb__filter *f = above(st);
    sb__bytes_finish(&f->flight);
    f->flight = (sb__bytes){0};
    f->owed_flight = 0;
    if (err == SB_ECANCELED)
        return; /* on_closed tells */
    if (err != SB_OK) {
        f->broken = true;
        end(f, err);
    }
    if ((f->above == SB__ABOVE_FLIES || f->above == SB__ABOVE_PASSES) && !f->closing)
        tell_written(f, err);
    else if (err == SB_OK && f->above == SB__ABOVE_HELD && f->through && !f->closing)
        settle(f, SB_OK);
    if (f->closing && err != SB_OK)
        close_below(f);
    else
        write_down(f);
    adjust(f);
    if (err != SB_OK)
        tell(f); /* it may have been an answer, and nobody above waits for that */
}

static void on_closed(sb_stream *st)
{
    sb__filter *f = above(st);
    if (f->above != SB__ABOVE_IDLE)
        tell_written(f, SB_ECANCELED);
    sb__task_cancel(&f->work);
    sb__task_cancel(&f->flush);
    sb_timer_stop(f->hub->loop, &f->timer);
    sb_list_remove(&f->last);
    sb_buf_unref(f->up);
    sb__bytes_finish(&f->out);
    sb__bytes_finish(&f->flight);
    f->base.events->on_closed(&f->base);
    f->impl->free(f);
}

static const sb_stream_events below_events = {
    .on_read = on_read,
    .on_end = on_end,
    .on_written = on_written,
    .on_closed = on_closed,
};

/* ---- what the stream above asks ---- */

static void read_start(sb_stream *st)
{
    sb__filter *f = of(st);
    if (f->want || f->closing)
        return;
    f->want = true;
    if (!f->started) {
        f->started = true;
        settle(f, f->impl->start != NULL ? f->impl->start(f) : SB_OK);
    }
    if (f->up_len > 0 || f->err != SB_OK)
        sb__hub_input(f->hub, &f->work); /* not from inside this call */
    else
        adjust(f);
}

static void read_stop(sb_stream *st)
{
    sb__filter *f = of(st);
    f->want = false;
    adjust(f);
}

static sb_err write(sb_stream *st, const struct iovec *iov, size_t n)
{
    sb__filter *f = of(st);
    if (f->closing || f->shut)
        return SB_ECLOSED;
    if (f->above != SB__ABOVE_IDLE)
        return SB_EAGAIN;
    f->held = iov;
    f->held_n = n;
    f->above = SB__ABOVE_HELD;
    if (f->err != SB_OK)
        sb__hub_input(f->hub, &f->work);
    if (f->err != SB_OK || !f->started)
        return SB_OK; /* that it failed is told before long, or the start comes */
    settle(f, SB_OK);
    if (f->err != SB_OK)
        sb__hub_input(f->hub, &f->work);
    if (sb__bytes_len(&f->out) > 0)
        write_down(f); /* we are in the output lane: now, or it leaves a turn late */
    else if (f->above == SB__ABOVE_PUT)
        sb__hub_output(f->hub, &f->flush); /* on_written must not come from inside this call */
    return SB_OK;
}

static sb_err shut(sb_stream *st)
{
    sb__filter *f = of(st);
    if (f->through)
        return sb_stream_shutdown(f->below);
    if (f->err != SB_OK || f->closing || f->above != SB__ABOVE_IDLE)
        return SB_ECLOSED;
    if (!f->shut && f->impl->shutdown != NULL)
        f->impl->shutdown(f);
    f->shut = true;
    sb__hub_output(f->hub, &f->flush);
    return SB_OK;
}

static void on_timer(sb_timer *timer)
{
    close_below((sb__filter *)((char *)timer - offsetof(sb__filter, timer)));
}

void sb__filters_close(sb__hub *hub)
{
    while (!sb_list_empty(&hub->closing))
        close_below(SB_LIST_ENTRY(sb_list_first(&hub->closing), sb__filter, last));
}

/* Last words are sent, but nobody waits long for them to be heard. */
static void close_stream(sb_stream *st)
{
    sb__filter *f = of(st);
    if (f->closing)
        return;
    f->closing = true;
    f->want = false;
    sb__task_cancel(&f->work);
    sb_stream_read_stop(f->below);
    bool polite = f->started && !f->through && !f->broken && !f->hub->aborting;
    if (polite && f->err == SB_OK && !f->shut && f->impl->shutdown != NULL)
        f->impl->shutdown(f);
    f->shut = true;
    if (!polite || sb__bytes_len(&f->out) + sb__bytes_len(&f->flight) == 0) {
        close_below(f);
        return;
    }
    sb_timer_start(f->hub->loop, &f->timer, sb_loop_now(f->hub->loop) + CLOSE_TIMEOUT);
    sb_list_push_back(&f->hub->closing, &f->last);
    sb__hub_output(f->hub, &f->flush);
}

static int fd(const sb_stream *st)
{
    const sb__filter *f = of(st);
    return f->through ? sb_stream_fd(f->below) : -1; /* who has the descriptor could go round the filter */
}

static sb_err peer_addr(const sb_stream *st, sb_addr *out)
{
    return sb_stream_peer_addr(of(st)->below, out);
}

static sb_err local_addr(const sb_stream *st, sb_addr *out)
{
    return sb_stream_local_addr(of(st)->below, out);
}

static const char *property(const sb_stream *st, const char *name)
{
    const sb__filter *f = of(st);
    const char *value = NULL;
    if (strcmp(name, "error") == 0 && f->why[0] != '\0')
        return f->why;
    if (f->impl->property != NULL)
        value = f->impl->property(f, name);
    return value != NULL ? value : sb_stream_property(f->below, name);
}

static const sb_stream_impl filter_stream = {
    .read_start = read_start,
    .read_stop = read_stop,
    .write = write,
    .close = close_stream,
    .fd = fd,
    .peer_addr = peer_addr,
    .local_addr = local_addr,
    .shutdown = shut,
    .property = property,
};

/* ---- for implementations ---- */

void sb__filter_put(sb__filter *f, const void *data, size_t len)
{
    sb__bytes_put(&f->out, data, len);
}

uint8_t *sb__filter_room(sb__filter *f, size_t len)
{
    size_t cap = f->up != NULL ? f->up->cap : 0;
    if (f->err != SB_OK)
        return NULL; /* octets are missing: nothing may come behind them */
    if (len <= cap - f->up_len)
        return f->up != NULL ? f->up->data + f->up_len : NULL;
    size_t want = f->up_len + (len > f->hint ? len : f->hint);
    sb_buf *buf = sb_buf_create(want > 2 * cap ? want : 2 * cap);
    if (buf == NULL) {
        end(f, SB_ENOMEM);
        return NULL;
    }
    if (f->up_len > 0)
        memcpy(buf->data, f->up->data, f->up_len);
    sb_buf_unref(f->up);
    f->up = buf;
    return buf->data + f->up_len;
}

void sb__filter_give(sb__filter *f, size_t len)
{
    f->up_len += len;
}

void sb__filter_deliver(sb__filter *f, const void *data, size_t len)
{
    uint8_t *to = len > 0 ? sb__filter_room(f, len) : NULL;
    if (to == NULL)
        return;
    memcpy(to, data, len);
    sb__filter_give(f, len);
}

sb_err sb__filter_why(sb__filter *f, sb_err err, const char *format, ...)
{
    va_list args;
    if (f->why[0] != '\0')
        return err;
    va_start(args, format);
    vsnprintf(f->why, sizeof f->why, format, args);
    va_end(args);
    return err;
}

void sb__filter_init(sb__filter *f, const sb__filter_impl *impl, sb__hub *hub, sb_stream *below)
{
    f->impl = impl;
    f->hub = hub;
    f->below = below;
    f->base.loop = below->loop;
    f->base.impl = &filter_stream;
    sb__task_init(&f->work, work);
    sb__task_init(&f->flush, flush);
    sb_timer_init(&f->timer, on_timer);
    sb_list_node_init(&f->last);
    below->data = f;
    below->events = &below_events;
}
