/* Vectors of ZMTP 2.0 (RFC 15) and 1.0 (RFC 13). They have no PING: whether the endpoint agrees shows in its
 * greeting, and in that it keeps the connection or ends it. Before: conform.c. After: conform_vectors.c,
 * probe.c. */
#include "modules/standalone/conform.h"

#include <string.h>

#define TEXT    CONFORM_TEXT
#define UNKNOWN 255

/* The numbers of the types; only these had been invented. */
static uint8_t number_of(const char *type)
{
    static const char *const names[] = {
        "PAIR", "PUB", "SUB", "REQ", "REP", "DEALER", "ROUTER", "PULL", "PUSH", "XPUB", "XSUB"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strcmp(names[i], type) == 0)
            return (uint8_t)i;
    return UNKNOWN;
}

static bool is_old(const probe_target *target)
{
    return number_of(target->type) != UNKNOWN && number_of(target->ours) != UNKNOWN;
}

static bool takes_2(const probe_target *target)
{
    return target->oldest <= 2 && is_old(target);
}

static bool takes_1(const probe_target *target)
{
    return target->oldest <= 1 && is_old(target);
}

static bool publishes(const probe_target *target)
{
    return strcmp(target->type, "PUB") == 0 || strcmp(target->type, "XPUB") == 0;
}

static bool publishes_2(const probe_target *target)
{
    return takes_2(target) && publishes(target);
}

static bool publishes_1(const probe_target *target)
{
    return takes_1(target) && publishes(target);
}

/* Who may announce a name, and to whom it means one. */
static bool names_2(const probe_target *target)
{
    return takes_2(target) && (strcmp(target->type, "ROUTER") == 0 || strcmp(target->type, "DEALER") == 0);
}

/* ---- 2.0 ---- */

static size_t hello_2(const probe *p, uint8_t *out, const void *identity, size_t len)
{
    static const uint8_t signature[] = {0xff, 0, 0, 0, 0, 0, 0, 0, 1, 0x7f, 1};
    memcpy(out, signature, sizeof signature);
    out[11] = number_of(p->target->ours);
    out[12] = 0;
    out[13] = (uint8_t)len;
    if (len > 0)
        memcpy(out + 14, identity, len);
    return 14 + len;
}

/* Signature, revision, type and identity frame have come. */
static bool greeted_2(probe *p)
{
    return probe_want(p, 14) && p->in[0] == 0xff && (p->in[9] & 1) == 1 && p->in[10] >= 1 &&
           p->in[11] == number_of(p->target->type) && p->in[12] == 0 && probe_want(p, 14u + p->in[13]);
}

static bool greets_2(probe *p, const char **seen)
{
    uint8_t out[300];
    probe_send(p, out, hello_2(p, out, NULL, 0));
    return conform_judge(
        greeted_2(p) && probe_stays(p), seen, p->closed ? "closes" : "does not say type and identity");
}

static bool greets_2_octet_by_octet(probe *p, const char **seen)
{
    uint8_t out[300];
    probe_trickle(p, out, hello_2(p, out, NULL, 0));
    return conform_judge(
        greeted_2(p) && probe_stays(p), seen, p->closed ? "closes" : "does not say type and identity");
}

static bool with_2(probe *p, const void *data, size_t len, bool ends, const char **seen)
{
    uint8_t out[300];
    probe_send(p, out, hello_2(p, out, NULL, 0));
    if (!greeted_2(p))
        return conform_judge(false, seen, "does not say type and identity");
    probe_send(p, data, len);
    return ends ? conform_judge(probe_ends(p), seen, "goes on")
                : conform_judge(probe_stays(p), seen, "closes");
}

static bool multipart_2(probe *p, const char **seen)
{
    return with_2(p,
        TEXT("\x01\0\x01\x01"
             "a\x03\0\0\0\0\0\0\0\x01"
             "b\0\0"),
        false, seen);
}

static bool subscriptions_2(probe *p, const char **seen)
{
    return with_2(p, TEXT("\0\x02\x01t\0\x02\x01t\0\x02\0t\0\x01\x01"), false, seen);
}

static bool identity_2(probe *p, const char **seen)
{
    uint8_t out[300], id[255];
    memset(id, 'i', sizeof id);
    probe_send(p, out, hello_2(p, out, id, sizeof id));
    return conform_judge(greeted_2(p) && probe_stays(p), seen, "closes");
}

static bool wrong_type_2(probe *p, const char **seen)
{
    uint8_t out[300];
    size_t n = hello_2(p, out, NULL, 0);
    out[11] = 200;
    probe_send(p, out, n);
    return conform_judge(probe_ends(p), seen, "accepts it");
}

static bool impossible_length_2(probe *p, const char **seen)
{
    return with_2(p, TEXT("\x02\xff\xff\xff\xff\xff\xff\xff\xff"), true, seen);
}

static bool reserved_bits_2(probe *p, const char **seen)
{
    return with_2(p, TEXT("\x80\x01x"), true, seen);
}

/* ---- 1.0 ---- */

/* Our signature is the head of an identity frame to them. */
static bool greeted_1(probe *p)
{
    return probe_want(p, 10) && p->in[0] == 0xff && (p->in[9] & 1) == 1;
}

static bool with_1(probe *p, const void *data, size_t len, const char **seen)
{
    probe_send(p, data, len);
    if (!greeted_1(p))
        return conform_judge(false, seen, "does not greet");
    return conform_judge(probe_stays(p), seen, "closes");
}

static bool ends_1(probe *p, const void *data, size_t len, const char **seen)
{
    probe_send(p, data, len);
    return conform_judge(probe_ends(p), seen, "goes on");
}

static bool greets_1(probe *p, const char **seen)
{
    return with_1(p, TEXT("\x01\0"), seen);
}

static bool identity_1(probe *p, const char **seen)
{
    return with_1(p, TEXT("\x05\0name"), seen);
}

static bool multipart_1(probe *p, const char **seen)
{
    return with_1(p,
        TEXT("\x01\0\x01\x01\x02\x01"
             "a\xff\0\0\0\0\0\0\0\x02\0b"),
        seen);
}

static bool subscriptions_1(probe *p, const char **seen)
{
    return with_1(p, TEXT("\x01\0\x03\0\x01t\x03\0\0t"), seen);
}

static bool no_length_1(probe *p, const char **seen)
{
    return ends_1(p, TEXT("\x01\0\0\0"), seen);
}

static bool impossible_length_1(probe *p, const char **seen)
{
    return ends_1(p, TEXT("\x01\0\xff\xff\xff\xff\xff\xff\xff\xff\xff\0"), seen);
}

static const conform_vector vectors[] = {
    {"2.0", "says type and identity to a 2.0 peer", "RFC 15 greeting", greets_2, takes_2},
    {"2.0", "does so octet by octet", "RFC 15 greeting", greets_2_octet_by_octet, takes_2},
    {"2.0", "takes an identity of 255 octets", "RFC 15 identity", identity_2, names_2},
    {"2.0", "takes messages of several frames, long and short", "RFC 15 framing", multipart_2, takes_2},
    {"2.0", "takes subscriptions as messages", "RFC 29", subscriptions_2, publishes_2},
    {"2.0", "closes for an unknown type", "RFC 15 greeting", wrong_type_2, takes_2},
    {"2.0", "closes for reserved flag bits", "RFC 15 framing", reserved_bits_2, takes_2},
    {"2.0", "closes for a length of 2^63 or more", "RFC 15 framing", impossible_length_2, takes_2},
    {"1.0", "takes an anonymous 1.0 peer", "RFC 13", greets_1, takes_1},
    {"1.0", "takes one with an identity", "RFC 13 identity", identity_1, takes_1},
    {"1.0", "takes messages of several frames, long and short", "RFC 13 framing", multipart_1, takes_1},
    {"1.0", "takes subscriptions as messages", "RFC 29", subscriptions_1, publishes_1},
    {"1.0", "closes for a frame of no length", "RFC 13 framing", no_length_1, takes_1},
    {"1.0", "closes for a length of 2^64 - 1", "RFC 13 framing", impossible_length_1, takes_1},
};
const conform_group conform_old = {vectors, sizeof vectors / sizeof vectors[0]};
