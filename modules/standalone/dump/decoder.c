/* The steps of a direction, one function each. Before: flow.c. After: command.c. */
#include "modules/standalone/dump/decoder.h"
#include "modules/standalone/dump/command.h"

#include "engine/base/cursor.h"
#include "engine/wire/frame.h"
#include "engine/wire/greeting.h"

#include <string.h>

typedef unsigned long long ull;

static void say(const decoder *d, const line *l)
{
    d->sink->say(d->sink->user, l->text);
}

static void go_deaf(decoder *d, const char *why)
{
    d->state = DECODER_DEAF;
    d->sink->say(d->sink->user, why);
}

static void await_frame(decoder *d, unsigned version)
{
    d->version = version;
    d->state = DECODER_FRAME;
    d->have = 0;
}

/* Gathers until `want` octets are there. */
static bool gather(decoder *d, sb__cursor *in, size_t want)
{
    while (d->have < want && sb__cursor_u8(in, &d->head[d->have]))
        d->have++;
    return d->have >= want;
}

/* A peer of 1.0 has no greeting: what was gathered is the beginning of its first frame. */
static void be_old(decoder *d)
{
    uint8_t octets[DECODER_HEAD];
    size_t len = d->have;
    memcpy(octets, d->head, len);
    d->sink->say(d->sink->user, "greeting 1.0");
    await_frame(d, 1);
    decoder_feed(d, octets, len);
}

/* ---- greetings ---- */

/* How others begin. */
static const struct foreign {
    const char *begins, *what;
} foreigners[] = {
    {"GET ", "HTTP or WebSocket, not decoded"},
    {"HTTP", "HTTP or WebSocket, not decoded"},
    {"\x16\x03", "TLS, not decoded"},
    {"PROXY ", "PROXY protocol, not decoded"},
};

/* The one that fits what was gathered so far. */
static const struct foreign *foreign_find(const decoder *d)
{
    for (size_t i = 0; i < sizeof foreigners / sizeof *foreigners; i++)
        if (d->have <= strlen(foreigners[i].begins) && memcmp(foreigners[i].begins, d->head, d->have) == 0)
            return &foreigners[i];
    return NULL;
}

static bool at_start(decoder *d, sb__cursor *in)
{
    if (!gather(d, in, d->have + 1))
        return false;
    const struct foreign *foreign = foreign_find(d);
    if (foreign != NULL && d->have == strlen(foreign->begins))
        go_deaf(d, foreign->what);
    else if (foreign == NULL && d->head[0] == 0xff)
        d->state = DECODER_SIGNATURE;
    else if (foreign == NULL)
        be_old(d);
    return true;
}

/* A 1.0 peer may begin with a long frame, too. */
static bool in_signature(decoder *d, sb__cursor *in)
{
    if (!gather(d, in, SB__GREETING_SIGNATURE))
        return false;
    if (sb__greeting_check(d->head, d->have) == SB__GREETING_FOREIGN)
        be_old(d);
    else
        d->state = DECODER_VERSION;
    return true;
}

static bool at_version(decoder *d, sb__cursor *in)
{
    if (sb__cursor_left(in) == 0)
        return false;
    if (d->other->version == 1) { /* to such a peer the signature was an identity of no octets */
        d->sink->say(d->sink->user, "greeting as to 1.0");
        d->named = true;
        await_frame(d, 1);
        return true;
    }
    gather(d, in, SB__GREETING_SIGNATURE + 1);
    d->version = d->head[SB__GREETING_SIGNATURE] < 3 ? 2 : 3;
    d->state = d->version == 2 ? DECODER_OLD_TYPE : DECODER_AFTER_VERSION;
    return true;
}

static bool after_version(decoder *d, sb__cursor *in)
{
    if (sb__cursor_left(in) == 0)
        return false;
    d->state = d->other->version == 2 ? DECODER_OLD_TYPE : DECODER_GREETING;
    return true;
}

static bool in_greeting(decoder *d, sb__cursor *in)
{
    line l = {0};
    sb__greeting greeting;
    if (!gather(d, in, SB__GREETING_SIZE))
        return false;
    sb__greeting_get(d->head, &greeting);
    d->curve = strcmp(greeting.mechanism, "CURVE") == 0;
    line_put(&l, "greeting %u.%u ", greeting.major, greeting.minor);
    line_name(&l, (const uint8_t *)greeting.mechanism, strlen(greeting.mechanism));
    line_put(&l, greeting.as_server ? " as server" : "");
    say(d, &l);
    await_frame(d, 3);
    return true;
}

static bool in_old_type(decoder *d, sb__cursor *in)
{
    static const char *const types[] = {
        "PAIR", "PUB", "SUB", "REQ", "REP", "DEALER", "ROUTER", "PULL", "PUSH", "XPUB", "XSUB"};
    line l = {0};
    if (!gather(d, in, SB__GREETING_SIGNATURE + 2))
        return false;
    unsigned type = d->head[SB__GREETING_SIGNATURE + 1];
    if (type < sizeof types / sizeof *types)
        strcpy(d->type, types[type]);
    line_put(&l, "greeting 2.0 Socket-Type=%u %s", type, d->type);
    say(d, &l);
    await_frame(d, 2);
    return true;
}

/* ---- frames ---- */

static bool take_old_head(decoder *d, sb__cursor *in)
{
    if (!gather(d, in, 1) || !gather(d, in, d->head[0] == 0xff ? 10 : 2))
        return false;
    d->size = d->head[0] == 0xff ? sb__be64_get(d->head + 1) : d->head[0];
    d->flags = d->head[d->have - 1] & SB__FRAME_MORE;
    if (d->size-- == 0)
        go_deaf(d, "malformed: a frame of 1.0 without its flags");
    return true;
}

static bool take_head(decoder *d, sb__cursor *in)
{
    if (!gather(d, in, 2) ||
        (sb__frame_get(d->head, d->have, &d->flags, &d->size) == 0 && !gather(d, in, SB__FRAME_HEAD)))
        return false;
    sb__frame_get(d->head, d->have, &d->flags, &d->size);
    if (d->flags & SB__FRAME_RESERVED)
        go_deaf(d, "malformed: reserved bits in the flags of a frame");
    return true;
}

static bool at_frame(decoder *d, sb__cursor *in)
{
    if (!(d->version == 1 ? take_old_head(d, in) : take_head(d, in)))
        return false;
    d->have = 0;
    d->kept = 0;
    d->left = d->size;
    if (d->state == DECODER_FRAME)
        d->state = DECODER_IN_BODY;
    return true;
}

static void show_command(decoder *d)
{
    line l = {0};
    command_view view = {.body = d->body, .kept = d->kept, .size = d->size, .curve = d->curve};
    command_show(&l, &view, d->type, sizeof d->type);
    say(d, &l);
}

static void show_identity(decoder *d)
{
    line l = {0};
    d->named = true;
    line_put(&l, "identity ");
    line_quote(&l, d->body, d->kept, d->size);
    say(d, &l);
}

static bool is_subscription(const decoder *d)
{
    return d->frames == 1 && d->kept > 0 && d->body[0] <= 1 &&
           (strcmp(d->type, "SUB") == 0 || strcmp(d->type, "XSUB") == 0);
}

static void show_subscription(decoder *d)
{
    line l = {0};
    line_put(&l, d->body[0] ? "subscribe " : "cancel ");
    line_quote(&l, d->body + 1, d->kept - 1, d->size - 1);
    say(d, &l);
}

static void show_message(decoder *d)
{
    line l = {0};
    line_put(&l, "message %llu frame%s %llu octets:%s", (ull)d->frames, d->frames == 1 ? "" : "s",
        (ull)d->octets, d->parts.text);
    if (d->frames > DECODER_FRAMES)
        line_put(&l, " +%llu frames", (ull)(d->frames - DECODER_FRAMES));
    say(d, &l);
}

static void add_frame(decoder *d)
{
    size_t shown = d->kept < d->sink->shown ? d->kept : d->sink->shown;
    if (++d->frames <= DECODER_FRAMES) {
        line_put(&d->parts, " ");
        line_quote(&d->parts, d->body, shown, d->size);
    }
    d->octets += d->size;
    if (d->flags & SB__FRAME_MORE)
        return;
    if (is_subscription(d))
        show_subscription(d);
    else
        show_message(d);
    d->frames = d->octets = 0;
    d->parts = (line){0};
}

/* CurveZMQ carries every frame in a command of this name, without the flag of commands (RFC 26). */
static bool is_sealed(const decoder *d)
{
    return d->curve && d->kept > 8 && memcmp(d->body, "\7MESSAGE", 8) == 0;
}

static void frame_done(decoder *d)
{
    line l = {0};
    d->state = DECODER_FRAME;
    if (d->version == 3 && (d->flags & SB__FRAME_COMMAND) != 0)
        show_command(d);
    else if (d->version < 3 && !d->named)
        show_identity(d);
    else if (is_sealed(d)) {
        line_put(&l, "sealed frame, %llu octets", (ull)d->size);
        say(d, &l);
    } else
        add_frame(d);
}

static bool in_body(decoder *d, sb__cursor *in)
{
    const uint8_t *octets = in->p;
    size_t there = sb__cursor_left(in), room = sizeof d->body - d->kept;
    size_t n = d->left < there ? (size_t)d->left : there, kept = n < room ? n : room;
    in->p += n;
    if (kept > 0)
        memcpy(d->body + d->kept, octets, kept);
    d->kept += kept;
    d->left -= n;
    if (d->left > 0)
        return false;
    frame_done(d);
    return true;
}

static bool be_deaf(decoder *d, sb__cursor *in)
{
    (void)d;
    in->p = in->end;
    return false;
}

static bool (*const steps[DECODER_STATES])(decoder *d, sb__cursor *in) = {
    [DECODER_START] = at_start,
    [DECODER_SIGNATURE] = in_signature,
    [DECODER_VERSION] = at_version,
    [DECODER_AFTER_VERSION] = after_version,
    [DECODER_GREETING] = in_greeting,
    [DECODER_OLD_TYPE] = in_old_type,
    [DECODER_FRAME] = at_frame,
    [DECODER_IN_BODY] = in_body,
    [DECODER_DEAF] = be_deaf,
};

void decoder_init(decoder *d, const decoder *other, const decoder_sink *sink)
{
    memset(d, 0, sizeof *d);
    d->other = other;
    d->sink = sink;
}

/* Each step takes octets until it can say what they are. */
void decoder_feed(decoder *d, const uint8_t *octets, size_t len)
{
    sb__cursor in = sb__cursor_of(octets, len);
    while (steps[d->state](d, &in))
        ;
}

void decoder_lost(decoder *d, const char *why)
{
    if (d->state != DECODER_DEAF)
        go_deaf(d, why);
}

void decoder_end(decoder *d)
{
    line l = {0};
    if (d->state == DECODER_DEAF)
        return;
    if (d->state == DECODER_IN_BODY)
        line_put(&l, "ended within a frame: %llu of %llu octets are missing", (ull)d->left, (ull)d->size);
    else if (d->state == DECODER_FRAME && d->have > 0)
        line_put(&l, "ended within the head of a frame");
    else if (d->frames > 0)
        line_put(&l, "ended within a message, behind %llu frames with MORE", (ull)d->frames);
    else if (d->state < DECODER_FRAME && d->have > 0)
        line_put(&l, "ended within the greeting");
    if (l.len > 0)
        say(d, &l);
    d->state = DECODER_DEAF;
}
