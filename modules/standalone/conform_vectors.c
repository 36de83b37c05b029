/* The wire vectors of ZMTP 3, one row each. Before: conform.c. After: probe.c. */
#include "modules/standalone/conform.h"

#include <string.h>

#define TEXT CONFORM_TEXT

bool conform_judge(bool ok, const char **seen, const char *otherwise)
{
    *seen = otherwise;
    return ok;
}

/* Only then a PING: not every engine takes one in the same breath. */
static bool becomes_ready(probe *p, const char **seen)
{
    return conform_judge(probe_await(p, TEXT("\x05READY")) && probe_alive(p), seen, "does not become ready");
}

/* ---- greeting ---- */

static bool signature_unasked(probe *p, const char **seen)
{
    bool ok = probe_want(p, 10) && p->in[0] == 0xff && (p->in[9] & 1) == 1;
    return conform_judge(ok, seen, "waits for octets of the peer first");
}

static bool version_after_signature(probe *p, const char **seen)
{
    uint8_t out[64];
    probe_greeting(out, 3, 1);
    probe_send(p, out, 10);
    return conform_judge(probe_want(p, 11) && p->in[10] >= 3, seen, "does not send its version");
}

static bool octet_by_octet(probe *p, const char **seen)
{
    uint8_t out[256];
    probe_greeting(out, 3, 1);
    size_t n = 64 + probe_ready(out + 64, p->target->ours);
    probe_trickle(p, out, n);
    return becomes_ready(p, seen);
}

static bool in_one_piece(probe *p, const char **seen)
{
    return conform_judge(probe_handshake(p) && probe_alive(p), seen, "does not become ready");
}

static bool ready_for_version(probe *p, uint8_t major, uint8_t minor, const char **seen)
{
    uint8_t out[256];
    probe_greeting(out, major, minor);
    size_t n = 64 + probe_ready(out + 64, p->target->ours);
    probe_send(p, out, n);
    return conform_judge(probe_await(p, TEXT("\x05READY")), seen, "does not become ready");
}

static bool version_3_0(probe *p, const char **seen)
{
    return ready_for_version(p, 3, 0, seen);
}

static bool version_3_9(probe *p, const char **seen)
{
    return ready_for_version(p, 3, 9, seen);
}

static bool version_4_0(probe *p, const char **seen)
{
    return ready_for_version(p, 4, 0, seen);
}

static bool padding_is_not_read(probe *p, const char **seen)
{
    uint8_t out[256];
    probe_greeting(out, 3, 1);
    memset(out + 1, 0x55, 8);
    size_t n = 64 + probe_ready(out + 64, p->target->ours);
    probe_send(p, out, n);
    return becomes_ready(p, seen);
}

static bool mechanism(probe *p, const char *name, size_t len, const char **seen)
{
    uint8_t out[256];
    probe_greeting(out, 3, 1);
    memcpy(out + 12, name, len);
    size_t n = 64 + probe_ready(out + 64, p->target->ours);
    probe_send(p, out, n);
    return conform_judge(probe_ends(p), seen, "goes on");
}

static bool unknown_mechanism(probe *p, const char **seen)
{
    return mechanism(p, TEXT("ENIGMA"), seen);
}

static bool all_of_the_mechanism(probe *p, const char **seen)
{
    return mechanism(p, TEXT("NULL\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0x"), seen);
}

static bool other_protocol(probe *p, const void *data, size_t len, const char **seen)
{
    probe_send(p, data, len);
    return conform_judge(probe_ends(p), seen, "keeps the connection");
}

static bool http(probe *p, const char **seen)
{
    return other_protocol(p, TEXT("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"), seen);
}

static bool tls(probe *p, const char **seen)
{
    static const uint8_t hello[64] = {22, 3, 1, 0, 59, 1, 0, 0, 55, 3, 3};
    return other_protocol(p, hello, sizeof hello, seen);
}

/* ---- READY and metadata ---- */

/* Greeting, then one command; what the endpoint does with it. */
static void introduce(probe *p, const char *name, const void *data, size_t len)
{
    uint8_t out[16384];
    probe_greeting(out, 3, 1);
    probe_send(p, out, 64 + probe_command(out + 64, name, data, len));
}

bool conform_refuses(probe *p, const void *data, size_t len, const char **seen)
{
    introduce(p, "READY", data, len);
    return conform_judge(probe_ends(p), seen, "accepts it");
}

static bool accepts(probe *p, const void *data, size_t len, const char **seen)
{
    introduce(p, "READY", data, len);
    return becomes_ready(p, seen);
}

static size_t typed(const probe *p, uint8_t *out)
{
    return probe_property(out, "Socket-Type", p->target->ours, strlen(p->target->ours));
}

static bool names_ignore_case(probe *p, const char **seen)
{
    uint8_t data[64];
    return accepts(
        p, data, probe_property(data, "sOCKET-tYPE", p->target->ours, strlen(p->target->ours)), seen);
}

static bool own_properties(probe *p, const char **seen)
{
    uint8_t data[128];
    size_t n = typed(p, data);
    n += probe_property(data + n, "X-Colour", TEXT("blue"));
    return accepts(p, data, n, seen);
}

static bool no_type(probe *p, const char **seen)
{
    uint8_t data[64];
    return conform_refuses(p, data, probe_property(data, "X-Colour", TEXT("blue")), seen);
}

static bool wrong_type(probe *p, const char **seen)
{
    uint8_t data[64];
    return conform_refuses(p, data, probe_property(data, "Socket-Type", TEXT("NOSUCH")), seen);
}

static bool error_for_wrong_type(probe *p, const char **seen)
{
    const char *other = strcmp(p->target->ours, "PAIR") == 0 ? "SUB" : "PAIR";
    uint8_t data[64];
    introduce(p, "READY", data, probe_property(data, "Socket-Type", other, strlen(other)));
    bool closed = probe_ends(p);
    return conform_judge(closed && probe_has(p,
                                       "\x05"
                                       "ERROR",
                                       6),
        seen, closed ? "closes without a word" : "accepts it");
}

static bool value_beyond_the_command(probe *p, const char **seen)
{
    uint8_t data[128];
    size_t n = typed(p, data);
    n += probe_property(data + n, "X-Colour", TEXT("blue"));
    data[n - 5] = 200; /* the value's length */
    return conform_refuses(p, data, n, seen);
}

static void identity(probe *p, size_t len, uint8_t first, uint8_t *data, size_t *n)
{
    uint8_t id[512];
    memset(id, 'i', sizeof id);
    id[0] = first;
    *n = typed(p, data);
    *n += probe_property(data + *n, "Identity", id, len);
}

/* Others do not announce one. */
static bool has_identity(const probe_target *target)
{
    return strcmp(target->ours, "DEALER") == 0 || strcmp(target->ours, "ROUTER") == 0;
}

static bool long_identity(probe *p, const char **seen)
{
    uint8_t data[1024];
    size_t n;
    identity(p, 255, 'i', data, &n);
    return accepts(p, data, n, seen);
}

static bool too_long_identity(probe *p, const char **seen)
{
    uint8_t data[1024];
    size_t n;
    identity(p, 300, 'i', data, &n);
    return conform_refuses(p, data, n, seen);
}

static bool nul_led_identity(probe *p, const char **seen)
{
    uint8_t data[1024];
    size_t n;
    identity(p, 5, 0, data, &n);
    return conform_refuses(p, data, n, seen);
}

static bool message_before_ready(probe *p, const char **seen)
{
    uint8_t out[128];
    probe_greeting(out, 3, 1);
    probe_send(p, out, 64 + probe_frame(out + 64, 0, TEXT("too early")));
    return conform_judge(probe_ends(p), seen, "goes on");
}

static bool other_command_before_ready(probe *p, const char **seen)
{
    introduce(p, "PING", TEXT("\0\0"));
    return conform_judge(probe_ends(p), seen, "goes on");
}

/* ---- frames ---- */

/* After the handshake; octets that end the connection. */
bool conform_ends_it(probe *p, const void *data, size_t len, const char **seen)
{
    if (!probe_handshake(p))
        return conform_judge(false, seen, "does not become ready");
    probe_send(p, data, len);
    return conform_judge(probe_ends(p), seen, "goes on");
}

/* Octets that change nothing: a PING behind them is answered. */
bool conform_goes_on(probe *p, const void *data, size_t len, const char **seen)
{
    if (!probe_handshake(p))
        return conform_judge(false, seen, "does not become ready");
    probe_send(p, data, len);
    return conform_judge(probe_alive(p), seen, p->closed ? "closes" : "does not answer any more");
}

static bool reserved_bits(probe *p, const char **seen)
{
    return conform_ends_it(p, TEXT("\x18\0"), seen);
}

static bool command_with_more(probe *p, const char **seen)
{
    return conform_ends_it(p, TEXT("\x05\x07\x04PING\0\0"), seen);
}

static bool impossible_length(probe *p, const char **seen)
{
    return conform_ends_it(p, TEXT("\x02\xff\xff\xff\xff\xff\xff\xff\xff"), seen);
}

static bool long_form_of_a_short_frame(probe *p, const char **seen)
{
    return conform_goes_on(p, TEXT("\x06\0\0\0\0\0\0\0\x07\x04PING\0\0"), seen);
}

static bool empty_frames(probe *p, const char **seen)
{
    return conform_goes_on(p, TEXT("\x01\0\x01\0\0\0"), seen);
}

/* ---- commands ---- */

static bool unknown_command(probe *p, const char **seen)
{
    uint8_t out[64];
    return conform_goes_on(p, out, probe_command(out, "WHATEVER", TEXT("abc")), seen);
}

static bool unasked_pong(probe *p, const char **seen)
{
    uint8_t out[64];
    return conform_goes_on(p, out, probe_command(out, "PONG", TEXT("")), seen);
}

static bool ping_and_pong(probe *p, const char **seen)
{
    static const char ping[] = "\0\0sixteen-octets!!";
    uint8_t out[64];
    if (!probe_handshake(p))
        return conform_judge(false, seen, "does not become ready");
    probe_send(p, out, probe_command(out, "PING", ping, sizeof ping - 1));
    return conform_judge(probe_await(p, TEXT("\x04PONGsixteen-octets!!")), seen,
        probe_has(p, TEXT("\x04PONG")) ? "answers without the context" : "does not answer");
}

static bool short_ping(probe *p, const char **seen)
{
    uint8_t out[64];
    return conform_ends_it(p, out, probe_command(out, "PING", TEXT("")), seen);
}

static bool nameless_command(probe *p, const char **seen)
{
    return conform_ends_it(p, TEXT("\x04\x01\0"), seen);
}

static bool name_beyond_the_command(probe *p, const char **seen)
{
    return conform_ends_it(p, TEXT("\x04\x03\x7fPI"), seen);
}

static bool error_ends_it(probe *p, const char **seen)
{
    uint8_t out[64];
    return conform_ends_it(p, out,
        probe_command(out, "ERROR",
            TEXT("\x03"
                 "bye")),
        seen);
}

/* To who takes 1.0 other protocols look like the beginning of a frame. */
static bool has_signature(const probe_target *target)
{
    return target->oldest > 1;
}

#define ROW(group, play, clause, what)                                                                       \
    {                                                                                                        \
        group, what, clause, play, NULL                                                                      \
    }
#define ROW_IDENTITY(group, play, clause, what)                                                              \
    {                                                                                                        \
        group, what, clause, play, has_identity                                                              \
    }

static const conform_vector vectors[] = {
    ROW("greeting", signature_unasked, "RFC 37 greeting", "sends its signature unasked"),
    ROW("greeting", version_after_signature, "RFC 37 version",
        "sends its version to a peer that sent ten octets"),
    ROW("greeting", in_one_piece, "RFC 37", "takes greeting and READY in one piece"),
    ROW("greeting", octet_by_octet, "RFC 37", "takes greeting and READY octet by octet"),
    ROW("greeting", padding_is_not_read, "RFC 37 signature",
        "does not interpret the padding of the signature"),
    ROW("greeting", version_3_0, "RFC 23", "speaks with a 3.0 peer"),
    ROW("greeting", version_3_9, "RFC 37 version", "speaks with a peer of a later minor version"),
    ROW("greeting", version_4_0, "RFC 37 version", "accepts a peer of a higher version"),
    ROW("greeting", unknown_mechanism, "RFC 37 mechanism", "closes for a mechanism it does not speak"),
    ROW("greeting", all_of_the_mechanism, "RFC 37 mechanism", "compares all twenty octets of the mechanism"),
    {"greeting", "closes for an HTTP client", "RFC 37 greeting", http, has_signature},
    {"greeting", "closes for a TLS client", "RFC 37 greeting", tls, has_signature},
    ROW("ready", names_ignore_case, "RFC 37 metadata", "reads property names in any case"),
    ROW("ready", own_properties, "RFC 37 metadata", "accepts X- properties"),
    ROW("ready", no_type, "RFC 37 Socket-Type", "refuses a peer without Socket-Type"),
    ROW("ready", wrong_type, "RFC 37 Socket-Type", "refuses an unknown Socket-Type"),
    ROW("ready", error_for_wrong_type, "RFC 37 Socket-Type", "says ERROR to an incompatible type"),
    ROW("ready", value_beyond_the_command, "RFC 37 metadata",
        "refuses a value that is longer than its command"),
    ROW_IDENTITY("ready", long_identity, "RFC 28", "accepts an identity of 255 octets"),
    ROW_IDENTITY("ready", too_long_identity, "RFC 28", "refuses an identity of more than 255 octets"),
    ROW_IDENTITY("ready", nul_led_identity, "RFC 28", "refuses an identity that begins with NUL"),
    ROW("ready", message_before_ready, "RFC 37 NULL", "closes for a message before READY"),
    ROW("ready", other_command_before_ready, "RFC 37 NULL", "closes for another command before READY"),
    ROW("frames", empty_frames, "RFC 37 framing", "takes empty frames"),
    ROW("frames", long_form_of_a_short_frame, "RFC 37 framing", "takes a short frame in the long form"),
    ROW("frames", reserved_bits, "RFC 37 framing", "closes for reserved flag bits"),
    ROW("frames", command_with_more, "RFC 37 framing", "closes for a command that says MORE"),
    ROW("frames", impossible_length, "RFC 37 framing", "closes for a length of 2^63 or more"),
    ROW("commands", ping_and_pong, "RFC 37 heartbeats", "answers PING with its context"),
    ROW("commands", unasked_pong, "RFC 37 heartbeats", "ignores a PONG it did not ask for"),
    ROW("commands", short_ping, "RFC 37 heartbeats", "closes for a PING without TTL"),
    ROW("commands", unknown_command, "RFC 37 commands", "ignores commands it does not know"),
    ROW("commands", nameless_command, "RFC 37 commands", "closes for a command without a name"),
    ROW("commands", name_beyond_the_command, "RFC 37 commands",
        "closes for a name that is longer than its command"),
    ROW("commands", error_ends_it, "RFC 37 ERROR", "closes after ERROR"),
};
const conform_group conform_modern = {vectors, sizeof vectors / sizeof vectors[0]};
