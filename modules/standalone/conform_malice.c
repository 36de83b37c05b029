/* Vectors of ZMTP 3 that no honest peer sends. Before: conform.c. After: conform_vectors.c (what they share),
 * probe.c. */
#include "modules/standalone/conform.h"

#include <stdio.h>
#include <string.h>

#define TEXT CONFORM_TEXT

/* ---- READY ---- */

static size_t typed(const probe *p, uint8_t *out)
{
    return probe_property(out, "Socket-Type", p->target->ours, strlen(p->target->ours));
}

static bool with_rest(probe *p, const void *rest, size_t len, const char **seen)
{
    uint8_t data[128];
    size_t n = typed(p, data);
    memcpy(data + n, rest, len);
    return conform_refuses(p, data, n + len, seen);
}

static bool name_beyond_the_metadata(probe *p, const char **seen)
{
    return with_rest(p, TEXT("\xffX-Colour"), seen);
}

static bool value_of_4_gib(probe *p, const char **seen)
{
    return with_rest(p,
        TEXT("\x08X-Colour\xff\xff\xff\xff"
             "blue"),
        seen);
}

static bool half_a_length(probe *p, const char **seen)
{
    return with_rest(p, TEXT("\x08X-Colour\0\0"), seen);
}

static bool nameless_property(probe *p, const char **seen)
{
    return with_rest(p,
        TEXT("\0\0\0\0\x04"
             "blue"),
        seen);
}

static bool ready_twice(probe *p, const char **seen)
{
    uint8_t out[128];
    return conform_ends_it(p, out, probe_ready(out, p->target->ours), seen);
}

/* ---- frames ---- */

/* Each bit on a connection of its own. */
static bool every_reserved_bit(probe *p, const char **seen)
{
    static char text[32];
    for (unsigned bit = 3; bit < 8; bit++) {
        const uint8_t frame[] = {(uint8_t)(1u << bit), 1, 'x'};
        if (bit > 3) {
            probe_close(p);
            if (!probe_open(p, p->target))
                return conform_judge(false, seen, "takes no connection");
        }
        if (conform_ends_it(p, frame, sizeof frame, seen))
            continue;
        snprintf(text, sizeof text, "goes on with bit %u", bit);
        return conform_judge(false, seen, text);
    }
    return true;
}

static bool command_in_the_middle(probe *p, const char **seen)
{
    return conform_ends_it(p, TEXT("\x01\0\x04\x07\x04PING\0\0"), seen);
}

static bool two_to_the_63(probe *p, const char **seen)
{
    return conform_ends_it(p, TEXT("\x02\x80\0\0\0\0\0\0\0"), seen);
}

static bool command_of_two_to_the_63(probe *p, const char **seen)
{
    return conform_ends_it(p, TEXT("\x06\x80\0\0\0\0\0\0\0\x04PING"), seen);
}

/* The largest length there is: whether it is refused or awaited is the endpoint's, but nobody else may
 * notice. */
static bool largest_length(probe *p, const char **seen)
{
    if (!probe_handshake(p))
        return conform_judge(false, seen, "does not become ready");
    probe_send(p, TEXT("\x03\x7f\xff\xff\xff\xff\xff\xff\xff"
                       "and no more than this"));
    probe_stays(p);
    return true;
}

/* Messages that do not end cost at most this connection. */
static bool endless_more(probe *p, const char **seen)
{
    static uint8_t frames[100000];
    if (!probe_handshake(p))
        return conform_judge(false, seen, "does not become ready");
    for (size_t i = 0; i < sizeof frames; i++)
        frames[i] = (uint8_t)(i % 2 == 0); /* MORE, and no octets */
    for (int i = 0; i < 4; i++)
        probe_send(p, frames, sizeof frames);
    probe_stays(p);
    return true;
}

/* ---- commands ---- */

static bool ping_of_endless_context(probe *p, const char **seen)
{
    uint8_t data[300], out[400];
    memset(data, 'x', sizeof data);
    if (!probe_handshake(p))
        return conform_judge(false, seen, "does not become ready");
    probe_send(p, out, probe_command(out, "PING", data, sizeof data));
    probe_stays(p);
    memset(data, 'x', 17);
    bool echoed = probe_has(p, data, 17);
    return conform_judge(!echoed, seen, "echoes more than 16 octets of context");
}

static bool error_beyond_the_command(probe *p, const char **seen)
{
    uint8_t out[64];
    return conform_ends_it(p, out,
        probe_command(out, "ERROR",
            TEXT("\xff"
                 "bye")),
        seen);
}

static const conform_vector vectors[] = {
    {"malice", "refuses a property name longer than the metadata", "RFC 37 metadata",
        name_beyond_the_metadata, NULL},
    {"malice", "refuses a property value of 4 GiB", "RFC 37 metadata", value_of_4_gib, NULL},
    {"malice", "refuses metadata that ends in a length", "RFC 37 metadata", half_a_length, NULL},
    {"malice", "refuses a property without a name", "RFC 37 metadata", nameless_property, NULL},
    {"malice", "closes for a second READY", "RFC 37 NULL", ready_twice, NULL},
    {"malice", "closes for each of the five reserved flag bits", "RFC 37 framing", every_reserved_bit, NULL},
    {"malice", "closes for a command between the frames of a message", "RFC 37 traffic",
        command_in_the_middle, NULL},
    {"malice", "closes for a length of exactly 2^63", "RFC 37 framing", two_to_the_63, NULL},
    {"malice", "closes for a command of that length", "RFC 37 framing", command_of_two_to_the_63, NULL},
    {"malice", "serves others after a length of 2^63 - 1", "RFC 37 framing", largest_length, NULL},
    {"malice", "serves others after 200,000 frames with MORE", "RFC 37 framing", endless_more, NULL},
    {"malice", "does not echo a PING's context beyond 16 octets", "RFC 37 heartbeats",
        ping_of_endless_context, NULL},
    {"malice", "closes for an ERROR whose reason overruns it", "RFC 37 ERROR", error_beyond_the_command,
        NULL},
};
const conform_group conform_malice = {vectors, sizeof vectors / sizeof vectors[0]};
