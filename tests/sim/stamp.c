/* Stamped frames; see stamp.h. */
#include "tests/sim/stamp.h"

#define MAGIC 0xa5

static uint32_t taint_of(const sim_stamp *s)
{
    uint32_t h = (s->origin + 1u) * 0x9e3779b1u ^ (s->life + 1u) * 0x85ebca77u ^ (s->seq + 1u) * 0xc2b2ae3du;
    return h ^ (s->index + 1u) * 0x27d4eb2fu;
}

/* Octet i behind the stamp. */
static uint8_t fill(uint32_t taint, size_t i)
{
    uint32_t h = taint + (uint32_t)i * 0x01000193u;
    return (uint8_t)(h >> 24 ^ h);
}

static void put32(uint8_t *p, uint32_t v)
{
    for (int i = 0; i < 4; i++)
        p[i] = (uint8_t)(v >> (8 * i));
}

static uint32_t get32(const uint8_t *p)
{
    return (uint32_t)p[3] << 24 | (uint32_t)p[2] << 16 | (uint32_t)p[1] << 8 | p[0];
}

void sim_stamp_write(uint8_t *out, size_t len, const sim_stamp *s)
{
    uint32_t taint = taint_of(s);
    out[0] = MAGIC;
    out[1] = s->origin;
    out[2] = (uint8_t)s->life;
    out[3] = (uint8_t)(s->life >> 8);
    put32(out + 4, s->seq);
    put32(out + 8, (uint32_t)len);
    out[12] = s->index;
    out[13] = s->count;
    out[14] = s->to;
    out[15] = (uint8_t)(taint >> 8);
    put32(out + 16, s->answers);
    out[20] = s->topic;
    memset(out + 21, 0, SIM_STAMP_SIZE - 21);
    for (size_t i = SIM_STAMP_SIZE; i < len; i++)
        out[i] = fill(taint, i);
}

static const char *read_head(const uint8_t *p, sim_stamp *s)
{
    if (p[0] != MAGIC)
        return "a frame that nobody sent";
    *s = (sim_stamp){.origin = p[1],
        .life = (uint16_t)(p[2] | p[3] << 8),
        .seq = get32(p + 4),
        .index = p[12],
        .count = p[13],
        .to = p[14],
        .topic = p[20],
        .answers = get32(p + 16)};
    return p[15] == (uint8_t)(taint_of(s) >> 8) ? NULL : "a damaged stamp";
}

const char *sim_stamp_read(const sb_frame *f, sim_stamp *s)
{
    const uint8_t *p = f->data;
    const char *wrong = f->len < SIM_STAMP_SIZE ? "a frame that nobody sent" : read_head(p, s);
    if (wrong != NULL)
        return wrong;
    if (get32(p + 8) != f->len)
        return "a frame of the wrong length";
    uint32_t taint = taint_of(s);
    for (size_t i = SIM_STAMP_SIZE; i < f->len; i++)
        if (p[i] != fill(taint, i))
            return "octets of something else";
    return NULL;
}

const char *sim_stamp_check(const sb_msg *msg, uint32_t skip, sim_stamp *first)
{
    uint32_t n = sb_msg_count(msg);
    if (n <= skip)
        return "a message without a stamp";
    for (uint32_t i = skip; i < n; i++) {
        sim_stamp s;
        const char *wrong = sim_stamp_read(sb_msg_frame(msg, i), &s);
        if (wrong != NULL)
            return wrong;
        if (i == skip)
            *first = s;
        if (s.origin != first->origin || s.life != first->life || s.seq != first->seq || s.to != first->to)
            return "frames of two messages";
        if (s.index != i - skip || s.count != n - skip)
            return "a torn message";
    }
    return NULL;
}

static const char *feed_head(sim_flow *f, const uint8_t *p, size_t len, size_t *taken)
{
    sim_stamp s;
    while (*taken < len && f->at < SIM_STAMP_SIZE)
        f->head[f->at++] = p[(*taken)++];
    if (f->head[0] != MAGIC)
        return "octets that nobody sent";
    f->len = f->at == SIM_STAMP_SIZE ? get32(f->head + 8) : SIM_FRAME_MAX;
    return f->at == SIM_STAMP_SIZE ? read_head(f->head, &s) : NULL;
}

const char *sim_flow_feed(
    sim_flow *f, const uint8_t *p, size_t len, size_t *taken, bool *done, sim_stamp *out)
{
    const char *wrong = NULL;
    *taken = 0;
    *done = false;
    if (f->at < SIM_STAMP_SIZE)
        wrong = feed_head(f, p, len, taken);
    if (wrong != NULL || f->at < SIM_STAMP_SIZE)
        return wrong;
    read_head(f->head, out);
    uint32_t taint = taint_of(out);
    while (*taken < len && f->at < f->len)
        if (p[(*taken)++] != fill(taint, f->at++))
            return "octets of something else";
    *done = f->at == f->len;
    f->at = *done ? 0 : f->at;
    return NULL;
}
