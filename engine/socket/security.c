/* What a socket's security options mean together. Before: values.c (options), socket.c (bind, connect).
 * After: the session's configuration. */
#include "engine/socket/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- keys ---- */

bool sb__security_is_key(sb_opt opt)
{
    return opt == SB_OPT_CURVE_PUBLICKEY || opt == SB_OPT_CURVE_SECRETKEY || opt == SB_OPT_CURVE_SERVERKEY;
}

static sb_err no_key(const sb_opt_row *row, char *err, size_t cap)
{
    if (err != NULL && cap > 0)
        snprintf(err, cap, "option %s must be a key: 40 characters of Z85, or 32 octets", row->name);
    return SB_EINVAL;
}

/* The next word of a list of Z85 keys; 0 at its end. */
static size_t next_word(const char **at, const char *end)
{
    while (*at < end && strchr(" \t\r\n", **at) != NULL)
        ++*at;
    const char *p = *at;
    while (p < end && strchr(" \t\r\n", *p) == NULL)
        p++;
    return (size_t)(p - *at);
}

/* One raw key, or a list of them in Z85. Returns how many, 0 when it is neither. */
static uint32_t read_secrets(const char *text, size_t len, sb_curve_pair pairs[SB_CURVE_KEYS])
{
    const char *end = text + len;
    uint32_t n = 0;
    if (len == SB_CURVE_KEY) {
        memcpy(pairs[0].secret_key, text, len);
        return 1;
    }
    for (size_t word; (word = next_word(&text, end)) > 0; text += word)
        if (n == SB_CURVE_KEYS || !sb_curve_key(text, word, pairs[n++].secret_key))
            return 0;
    return n;
}

static sb_err parse_secrets(
    const sb_opt_row *row, const uint8_t *value, size_t len, sb__blob *out, char *err, size_t cap)
{
    sb_curve_pair pairs[SB_CURVE_KEYS];
    uint32_t n = read_secrets((const char *)value, len, pairs);
    if (n == 0) {
        sb_wipe(pairs, sizeof pairs);
        return no_key(row, err, cap);
    }
    return sb__keys_pack(pairs, n, out);
}

sb_err sb__security_parse(
    const sb_opt_row *row, const uint8_t *value, size_t len, sb__blob *out, char *err, size_t cap)
{
    uint8_t key[SB_CURVE_KEY];
    if (row->secret)
        return parse_secrets(row, value, len, out, err, cap);
    if (!sb_curve_key(value, len, key))
        return no_key(row, err, cap);
    *out = (sb__blob){malloc(sizeof key), sizeof key};
    if (out->data == NULL)
        return SB_ENOMEM;
    memcpy(out->data, key, sizeof key);
    return SB_OK;
}

size_t sb__security_text(const sb__blob *key, char out[SB_CURVE_Z85 + 1])
{
    if (key->data == NULL)
        return 0;
    sb_z85_encode(key->data, SB_CURVE_KEY, out);
    return SB_CURVE_Z85;
}

/* ---- together ---- */

static bool has(const sb_socket *sock, sb_opt opt)
{
    return sb__opt_bytes(sock, opt)->len > 0;
}

static bool is_server(const sb_socket *sock)
{
    return sb__opt(sock, SB_OPT_PLAIN_SERVER) || sb__opt(sock, SB_OPT_CURVE_SERVER);
}

/* Whether the public key that was given belongs to the first secret one. */
static bool keys_agree(const sb_socket *sock)
{
    const sb__blob *key = sb__opt_bytes(sock, SB_OPT_CURVE_PUBLICKEY);
    const sb__blob *pairs = sb__opt_bytes(sock, SB_OPT_CURVE_SECRETKEY);
    return key->len == 0 || pairs->len == 0 ||
           memcmp(key->data, ((const sb_curve_pair *)(void *)pairs->data)->public_key, SB_CURVE_KEY) == 0;
}

static const char *contradiction(const sb_socket *sock)
{
    bool key = has(sock, SB_OPT_CURVE_SECRETKEY);
    if (sb__opt(sock, SB_OPT_CURVE_SERVER) && !key)
        return "curve_server needs curve_secretkey";
    if (has(sock, SB_OPT_CURVE_SERVERKEY) && !key)
        return "curve_serverkey needs curve_secretkey, this client's own";
    if (is_server(sock) && (has(sock, SB_OPT_CURVE_SERVERKEY) || has(sock, SB_OPT_PLAIN_USERNAME)))
        return "plain_server and curve_server exclude plain_username and curve_serverkey: a socket is one "
               "side";
    if (has(sock, SB_OPT_CURVE_SERVERKEY) && has(sock, SB_OPT_PLAIN_USERNAME))
        return "curve_serverkey and plain_username exclude each other: a client speaks one mechanism";
    if (!keys_agree(sock))
        return "curve_publickey does not belong to curve_secretkey";
    return NULL;
}

sb_err sb__security_check(const sb_socket *sock, char *err, size_t cap)
{
    const char *why = contradiction(sock);
    if (why != NULL && err != NULL && cap > 0)
        snprintf(err, cap, "%s", why);
    return why == NULL ? SB_OK : SB_EINVAL;
}

static uint32_t mechanisms(const sb_socket *sock)
{
    uint32_t bits = 0;
    if (sb__opt(sock, SB_OPT_PLAIN_SERVER) || has(sock, SB_OPT_PLAIN_USERNAME))
        bits |= SB_MECHANISM_BIT(SB_MECHANISM_PLAIN);
    if (sb__opt(sock, SB_OPT_CURVE_SERVER) || has(sock, SB_OPT_CURVE_SERVERKEY))
        bits |= SB_MECHANISM_BIT(SB_MECHANISM_CURVE);
    if (bits == 0 || (is_server(sock) && sb__opt(sock, SB_OPT_ALLOW_NULL)))
        bits |= SB_MECHANISM_BIT(SB_MECHANISM_NULL);
    return bits;
}

sb_mechanism sb__security_mechanism(const sb_socket *sock)
{
    return (sb_mechanism)(31 - __builtin_clz(mechanisms(sock)));
}

void sb__security_config(const sb_socket *sock, bool accepted, sb_security *out)
{
    const sb__blob *pairs = sb__opt_bytes(sock, SB_OPT_CURVE_SECRETKEY);
    bool asks = sock->engine->authenticator != NULL || has(sock, SB_OPT_ZAP_DOMAIN);
    *out = (sb_security){.mechanisms = mechanisms(sock),
        .server = is_server(sock),
        .ask = accepted && asks,
        .username = (const char *)sb__opt_bytes(sock, SB_OPT_PLAIN_USERNAME)->data,
        .password = (const char *)sb__opt_bytes(sock, SB_OPT_PLAIN_PASSWORD)->data,
        .keys = (const sb_curve_pair *)(void *)pairs->data,
        .nkeys = (uint32_t)(pairs->len / sizeof(sb_curve_pair)),
        .server_key = sb__opt_bytes(sock, SB_OPT_CURVE_SERVERKEY)->data};
}

/* ---- two sockets behind one port ---- */

static bool same_bytes(const sb__blob *a, const sb__blob *b)
{
    return a->len == b->len && (a->len == 0 || memcmp(a->data, b->data, a->len) == 0);
}

bool sb__security_agrees(const sb_socket *a, const sb_socket *b)
{
    static const sb_opt ints[] = {
        SB_OPT_PLAIN_SERVER, SB_OPT_CURVE_SERVER, SB_OPT_ALLOW_NULL, SB_OPT_ZAP_ENFORCE_DOMAIN};
    static const sb_opt bytes[] = {SB_OPT_ZAP_DOMAIN, SB_OPT_CURVE_SECRETKEY, SB_OPT_CURVE_SERVERKEY,
        SB_OPT_PLAIN_USERNAME, SB_OPT_PLAIN_PASSWORD};
    for (size_t i = 0; i < sizeof ints / sizeof *ints; i++)
        if (sb__opt(a, ints[i]) != sb__opt(b, ints[i]))
            return false;
    for (size_t i = 0; i < sizeof bytes / sizeof *bytes; i++)
        if (!same_bytes(sb__opt_bytes(a, bytes[i]), sb__opt_bytes(b, bytes[i])))
            return false;
    return true;
}
