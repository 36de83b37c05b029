/* How long the session takes per message: feeds 64 KiB buffers of equal messages, prints CPU ns per message.
 * Usage: micro_session [OCTETS [FRAMES]]. Not part of the test suite. */
#include "engine/session.h"
#include "engine/wire/frame.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define BUFFER 65536
#define CHUNKS 50
#define ROUNDS 400

static uint64_t seen, octets;

static sb_err on_ready(sb_session *s, const sb_peer_info *info)
{
    (void)s;
    (void)info;
    return SB_OK;
}

static sb_err on_msg(sb_session *s, sb_msg *msg)
{
    (void)s;
    seen++;
    octets += msg->frames[0].len;
    return SB_OK;
}

static sb_err on_subscribe(sb_session *s, const uint8_t *topic, size_t len, bool subscribe)
{
    (void)s;
    (void)topic;
    (void)len;
    (void)subscribe;
    return SB_OK;
}

static void on_rtt(sb_session *s, uint64_t rtt)
{
    (void)s;
    (void)rtt;
}

static const sb_session_events events = {on_ready, on_msg, on_subscribe, on_rtt};

static sb_session *create(sb_type type)
{
    const sb_session_config cfg = {.type = type, .max_frame = -1, .strict = true};
    sb_session *s = NULL;

    if (sb_session_create(&cfg, &events, NULL, 1, &s) != SB_OK)
        exit(1);
    return s;
}

static void pass(sb_session *from, sb_session *to, sb_buf *buf)
{
    const uint8_t *out;
    size_t n = sb_session_output(from, &out), took;

    memcpy(buf->data, out, n);
    sb_session_sent(from, n);
    if (n > 0 && sb_session_feed(to, buf, buf->data, n, 1, &took) != SB_OK)
        exit(1);
}

/* Fills the buffer and returns the number of octets; the last message is cut off there. */
static void fill(sb_buf *buf, size_t size, unsigned frames)
{
    size_t at = 0;

    while (at < BUFFER)
        for (unsigned i = 1; i <= frames && at < BUFFER; i++) {
            at += sb__frame_put(buf->data + at, i < frames ? SB__FRAME_MORE : 0, size);
            memset(buf->data + at, 'x', size);
            at += size;
        }
}

static double now(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
    return (double)ts.tv_sec * 1e9 + (double)ts.tv_nsec;
}

int main(int argc, char **argv)
{
    size_t size = argc > 1 ? (size_t)atol(argv[1]) : 64;
    unsigned frames = argc > 2 ? (unsigned)atol(argv[2]) : 1;
    size_t message = frames * (size + sb__frame_head_size(size)), took;
    sb_buf *buf = sb_buf_create(BUFFER + size + SB__FRAME_HEAD);
    sb_session *push = create(SB_PUSH), *pull = create(SB_PULL);
    double start, ns, best = 1e9;

    for (int i = 0; i < 4; i++) {
        pass(push, pull, buf);
        pass(pull, push, buf);
    }
    fill(buf, size, frames);
    for (int chunk = 0; chunk < CHUNKS; chunk++) {
        uint64_t before = seen;

        start = now();
        for (int i = 0; i < ROUNDS; i++)
            if (sb_session_feed(pull, buf, buf->data, BUFFER / message * message, 1, &took) != SB_OK)
                return 1;
        ns = (now() - start) / (double)(seen - before);
        best = ns < best ? ns : best;
    }
    printf("%.2f ns per message (%zu octets, %u frames; best of %d)\n", best, size, frames, CHUNKS);
    sb_session_destroy(push);
    sb_session_destroy(pull);
    sb_buf_unref(buf);
    return octets > 0 ? 0 : 1;
}
