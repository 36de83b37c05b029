/* CURVE's handshake (RFC 25, 26), both sides: HELLO, WELCOME with a cookie, INITIATE with a vouch, READY.
 * C and S are the long-term keys of client and server, c and s those of this connection (the RFC's C' and
 * S'). Every box is NaCl's crypto_box out of libsodium. Place: behind engine/mech/mech.h; traffic is in
 * curve_box.c. */
#include "engine/mech/curve.h"
#include "engine/base/secret.h"
#include "engine/wire/command.h"
#include "engine/wire/frame.h"

#include <stdlib.h>
#include <string.h>

#define KEY    SB_CURVE_KEY
#define MAC    crypto_box_MACBYTES
#define NONCE  crypto_box_NONCEBYTES
#define SHORT  8  /* octets of a short nonce */
#define LONG   16 /* ... and of a long one */
#define COOKIE (LONG + 2 * KEY + MAC)
#define VOUCH  (2 * KEY + MAC) /* without its nonce */

#define HELLO_DATA   194 /* version, padding, c, nonce, box of 64 zeros: 200 with its name */
#define HELLO_ZEROS  64
#define HELLO_PAD    72
#define WELCOME_DATA (LONG + KEY + COOKIE + MAC) /* 168 with its name */

/* What comes next. */
enum step { WANT_HELLO, WANT_INITIATE, WANT_ANSWER, WANT_WELCOME, WANT_READY, WANT_NOTHING };

/* What only the handshake needs. */
typedef struct handshake {
    enum step step;
    sb_curve_pair own;                        /* C or the S that the client chose */
    sb_curve_pair transient;                  /* c or s */
    uint8_t peer_transient[KEY];              /* s or c */
    uint8_t peer_key[KEY];                    /* S or C */
    uint8_t shared[crypto_box_BEFORENMBYTES]; /* of both transient keys */
    uint8_t cookie_key[crypto_secretbox_KEYBYTES];
    uint64_t peer_nonce; /* the last one that was authentic */
    uint8_t *clear;      /* the opened INITIATE or READY, which metadata points into */
    size_t clear_len;
} handshake;

typedef struct curve {
    handshake *hs; /* NULL after it */
    sb__curve_box in, out;
} curve;

/* ---- life ---- */

static void handshake_finish(curve *c)
{
    if (c->hs == NULL)
        return;
    if (c->hs->clear != NULL)
        sb_wipe(c->hs->clear, c->hs->clear_len);
    free(c->hs->clear);
    sb__secret_free(c->hs, sizeof *c->hs);
    c->hs = NULL;
}

static void curve_finish(sb__mech *m)
{
    curve *c = m->state;

    if (c == NULL)
        return;
    handshake_finish(c);
    sb_wipe(c, sizeof *c);
    free(c);
    m->state = NULL;
}

static handshake *begin(sb__mech *m, enum step first)
{
    curve *c = calloc(1, sizeof *c);
    handshake *hs = sb__secret_alloc(sizeof *hs);

    if (c == NULL || hs == NULL || sodium_init() < 0) {
        free(c);
        sb__secret_free(hs, sizeof *hs);
        return NULL;
    }
    hs->step = first;
    c->hs = hs;
    m->state = c;
    return hs;
}

/* ---- nonces ---- */

static void nonce_short(uint8_t nonce[NONCE], const char prefix[NONCE - SHORT + 1], const uint8_t *number)
{
    memcpy(nonce, prefix, NONCE - SHORT);
    memcpy(nonce + NONCE - SHORT, number, SHORT);
}

static void nonce_long(uint8_t nonce[NONCE], const char prefix[NONCE - LONG + 1], const uint8_t *random)
{
    memcpy(nonce, prefix, NONCE - LONG);
    memcpy(nonce + NONCE - LONG, random, LONG);
}

/* Numbers of one side must grow, from HELLO on; one counts only once its box was authentic. */
static bool grows(const handshake *hs, const uint8_t *number)
{
    return sb__be64_get(number) > hs->peer_nonce;
}

/* ---- shared by both sides ---- */

/* The peer's key for this connection; the two make the key of INITIATE's box and of all traffic. All-zero and
 * low-order keys are refused by libsodium, our own keys sent back to us here. */
static bool meet(handshake *hs, const uint8_t peer_transient[KEY])
{
    if (sodium_memcmp(peer_transient, hs->transient.public_key, KEY) == 0 ||
        sodium_memcmp(peer_transient, hs->own.public_key, KEY) == 0)
        return false;
    memcpy(hs->peer_transient, peer_transient, KEY);
    return crypto_box_beforenm(hs->shared, peer_transient, hs->transient.secret_key) == 0;
}

/* Opens the box of an INITIATE or READY of any length into memory that lasts as long as the handshake. */
static sb__mech_step open_rest(
    handshake *hs, sb__cursor box, const uint8_t nonce[NONCE], size_t least, sb__cursor *clear)
{
    size_t len = sb__cursor_left(&box);

    if (len < MAC + least)
        return SB__MECH_MALFORMED;
    hs->clear = malloc(len);
    if (hs->clear == NULL)
        return SB__MECH_NOMEM;
    hs->clear_len = len - MAC;
    if (crypto_box_open_easy_afternm(hs->clear, box.p, len, nonce, hs->shared) != 0)
        return SB__MECH_CRYPTO;
    *clear = sb__cursor_of(hs->clear, hs->clear_len);
    return SB__MECH_ON;
}

/* From now on the peer's numbers go on where the handshake ended, ours behind those that were used. */
static void begin_traffic(curve *c, bool server, uint64_t used)
{
    handshake *hs = c->hs;

    sb__curve_box_init(&c->out, hs->shared, server, used + 1);
    sb__curve_box_init(&c->in, hs->shared, !server, hs->peer_nonce);
    hs->step = WANT_NOTHING;
}

static void curve_settle(sb__mech *m)
{
    handshake_finish(m->state);
}

static bool curve_seal(sb__mech *m, const sb__mech_frame *frame, uint8_t *out)
{
    return sb__curve_seal(&((curve *)m->state)->out, frame, out);
}

static bool curve_open(sb__mech *m, const uint8_t *body, size_t len, uint8_t *out, sb__mech_frame *frame)
{
    return sb__curve_open(&((curve *)m->state)->in, body, len, out, frame);
}

/* ---- client ---- */

static sb__mech_step client_start(sb__mech *m, sb__bytes *out)
{
    static const uint8_t zeros[HELLO_ZEROS];
    handshake *hs = begin(m, WANT_WELCOME);
    uint8_t nonce[NONCE], number[SHORT], *p;

    if (hs == NULL)
        return SB__MECH_NOMEM;
    hs->own = m->cfg->security.keys[0];
    memcpy(hs->peer_key, m->cfg->security.server_key, KEY);
    crypto_box_keypair(hs->transient.public_key, hs->transient.secret_key);
    sb__be64_put(number, 1);
    nonce_short(nonce, "CurveZMQHELLO---", number);
    sb__command_put(out, SB__COMMAND_HELLO, HELLO_DATA);
    p = sb__bytes_add(out, HELLO_DATA);
    if (p == NULL)
        return SB__MECH_NOMEM;
    memset(p, 0, 2 + HELLO_PAD);
    p[0] = 1; /* version 1.0 */
    p += 2 + HELLO_PAD;
    memcpy(p, hs->transient.public_key, KEY);
    memcpy(p + KEY, number, SHORT);
    if (crypto_box_easy(p + KEY + SHORT, zeros, HELLO_ZEROS, nonce, hs->peer_key, hs->transient.secret_key) !=
        0)
        return SB__MECH_CRYPTO; /* the configured server key is no key */
    return SB__MECH_ON;
}

/* nonce and box[c + S](C -> s): the client's word that c is its own. */
static bool put_vouch(const handshake *hs, uint8_t *to)
{
    uint8_t nonce[NONCE], text[2 * KEY];

    memcpy(text, hs->transient.public_key, KEY);
    memcpy(text + KEY, hs->peer_key, KEY);
    randombytes_buf(to, LONG);
    nonce_long(nonce, "VOUCH---", to);
    return crypto_box_easy(to + LONG, text, sizeof text, nonce, hs->peer_transient, hs->own.secret_key) == 0;
}

/* cookie, nonce, box[C + vouch + metadata](c -> s) */
static sb__mech_step put_initiate(sb__mech *m, const uint8_t cookie[COOKIE], sb__bytes *out)
{
    const handshake *hs = ((curve *)m->state)->hs;
    size_t len = KEY + LONG + VOUCH + m->cfg->metadata_len;
    uint8_t nonce[NONCE], number[SHORT], *p, *text;

    sb__command_put(out, SB__COMMAND_INITIATE, COOKIE + SHORT + MAC + len);
    p = sb__bytes_add(out, COOKIE + SHORT + MAC + len);
    if (p == NULL)
        return SB__MECH_NOMEM;
    sb__be64_put(number, 2);
    nonce_short(nonce, "CurveZMQINITIATE", number);
    memcpy(p, cookie, COOKIE);
    memcpy(p + COOKIE, number, SHORT);
    text = p + COOKIE + SHORT + MAC;
    memcpy(text, hs->own.public_key, KEY);
    memcpy(text + KEY + LONG + VOUCH, m->cfg->metadata, m->cfg->metadata_len);
    if (!put_vouch(hs, text + KEY) || crypto_box_easy_afternm(text - MAC, text, len, nonce, hs->shared) != 0)
        return SB__MECH_CRYPTO;
    return SB__MECH_ON;
}

/* nonce, box[s + cookie](S -> c) */
static sb__mech_step on_welcome(sb__mech *m, sb__cursor data, sb__bytes *out)
{
    handshake *hs = ((curve *)m->state)->hs;
    uint8_t nonce[NONCE], text[KEY + COOKIE];

    if (sb__cursor_left(&data) != WELCOME_DATA)
        return SB__MECH_MALFORMED;
    nonce_long(nonce, "WELCOME-", data.p);
    if (crypto_box_open_easy(
            text, data.p + LONG, sizeof text + MAC, nonce, hs->peer_key, hs->transient.secret_key) != 0 ||
        !meet(hs, text))
        return SB__MECH_CRYPTO;
    hs->step = WANT_READY;
    return put_initiate(m, text + KEY, out);
}

/* nonce, box[metadata](s -> c) */
static sb__mech_step on_ready(sb__mech *m, sb__cursor data)
{
    curve *c = m->state;
    handshake *hs = c->hs;
    const uint8_t *number;
    uint8_t nonce[NONCE];
    sb__mech_step step;

    if (!sb__cursor_take(&data, SHORT, &number))
        return SB__MECH_MALFORMED;
    if (!grows(hs, number))
        return SB__MECH_CRYPTO;
    nonce_short(nonce, "CurveZMQREADY---", number);
    step = open_rest(hs, data, nonce, 0, &m->peer_metadata);
    if (step != SB__MECH_ON)
        return step;
    hs->peer_nonce = sb__be64_get(number);
    begin_traffic(c, false, 2);
    return SB__MECH_DONE;
}

static sb__mech_step client_command(sb__mech *m, const uint8_t *body, size_t len, sb__bytes *out)
{
    const handshake *hs = ((curve *)m->state)->hs;
    sb__command_id id;
    sb__cursor data;

    if (!sb__command_get(body, len, &id, &data))
        return SB__MECH_MALFORMED;
    if (id == SB__COMMAND_WELCOME && hs->step == WANT_WELCOME)
        return on_welcome(m, data, out);
    if (id == SB__COMMAND_READY && hs->step == WANT_READY)
        return on_ready(m, data);
    return SB__MECH_UNEXPECTED;
}

/* ---- server ---- */

static sb__mech_step server_start(sb__mech *m, sb__bytes *out)
{
    (void)out;
    return begin(m, WANT_HELLO) != NULL ? SB__MECH_ON : SB__MECH_NOMEM;
}

/* The key that the client means: the one that opens its box, which holds nothing but zeros. */
static bool find_own_key(
    handshake *hs, const sb_security *sec, const uint8_t box[HELLO_ZEROS + MAC], const uint8_t nonce[NONCE])
{
    uint8_t text[HELLO_ZEROS];

    for (uint32_t i = 0; i < sec->nkeys; i++)
        if (crypto_box_open_easy(
                text, box, HELLO_ZEROS + MAC, nonce, hs->peer_transient, sec->keys[i].secret_key) == 0 &&
            sodium_is_zero(text, sizeof text)) {
            hs->own = sec->keys[i];
            return true;
        }
    return false;
}

/* nonce, box[c + s's secret](cookie key): gives back to the client what it must show again. */
static void put_cookie(handshake *hs, uint8_t *to)
{
    uint8_t nonce[NONCE], text[2 * KEY];

    memcpy(text, hs->peer_transient, KEY);
    memcpy(text + KEY, hs->transient.secret_key, KEY);
    randombytes_buf(hs->cookie_key, sizeof hs->cookie_key);
    randombytes_buf(to, LONG);
    nonce_long(nonce, "COOKIE--", to);
    crypto_secretbox_easy(to + LONG, text, sizeof text, nonce, hs->cookie_key);
    sb_wipe(text, sizeof text);
}

static sb__mech_step put_welcome(handshake *hs, sb__bytes *out)
{
    uint8_t nonce[NONCE], text[KEY + COOKIE], *p;

    memcpy(text, hs->transient.public_key, KEY);
    put_cookie(hs, text + KEY);
    sb__command_put(out, SB__COMMAND_WELCOME, WELCOME_DATA);
    p = sb__bytes_add(out, WELCOME_DATA);
    if (p == NULL)
        return SB__MECH_NOMEM;
    randombytes_buf(p, LONG);
    nonce_long(nonce, "WELCOME-", p);
    if (crypto_box_easy(p + LONG, text, sizeof text, nonce, hs->peer_transient, hs->own.secret_key) != 0)
        return SB__MECH_CRYPTO;
    hs->step = WANT_INITIATE;
    return SB__MECH_ON;
}

static sb__mech_step on_hello(sb__mech *m, sb__cursor data, sb__bytes *out)
{
    handshake *hs = ((curve *)m->state)->hs;
    const uint8_t *p = data.p, *number = p + 2 + HELLO_PAD + KEY;
    uint8_t nonce[NONCE];

    if (sb__cursor_left(&data) != HELLO_DATA || p[0] != 1 || p[1] != 0 || !sodium_is_zero(p + 2, HELLO_PAD))
        return SB__MECH_MALFORMED;
    if (!grows(hs, number))
        return SB__MECH_CRYPTO;
    memcpy(hs->peer_transient, p + 2 + HELLO_PAD, KEY);
    nonce_short(nonce, "CurveZMQHELLO---", number);
    if (!find_own_key(hs, &m->cfg->security, number + SHORT, nonce))
        return SB__MECH_CRYPTO;
    hs->peer_nonce = sb__be64_get(number);
    crypto_box_keypair(hs->transient.public_key, hs->transient.secret_key);
    return meet(hs, hs->peer_transient) ? put_welcome(hs, out) : SB__MECH_CRYPTO;
}

/* Whether it is the cookie that this connection was given. */
static bool check_cookie(const handshake *hs, const uint8_t cookie[COOKIE])
{
    uint8_t nonce[NONCE], text[2 * KEY];
    bool good;

    nonce_long(nonce, "COOKIE--", cookie);
    good = crypto_secretbox_open_easy(text, cookie + LONG, sizeof text + MAC, nonce, hs->cookie_key) == 0 &&
           sodium_memcmp(text, hs->peer_transient, KEY) == 0 &&
           sodium_memcmp(text + KEY, hs->transient.secret_key, KEY) == 0;
    sb_wipe(text, sizeof text);
    return good;
}

/* Whether the owner of C says that c is its own, and that it means this server. */
static bool check_vouch(const handshake *hs, const uint8_t vouch[LONG + VOUCH])
{
    uint8_t nonce[NONCE], text[2 * KEY];

    nonce_long(nonce, "VOUCH---", vouch);
    return crypto_box_open_easy(
               text, vouch + LONG, sizeof text + MAC, nonce, hs->peer_key, hs->transient.secret_key) == 0 &&
           sodium_memcmp(text, hs->peer_transient, KEY) == 0 &&
           sodium_memcmp(text + KEY, hs->own.public_key, KEY) == 0;
}

/* cookie, nonce, box[C + vouch + metadata](c -> s) */
static sb__mech_step on_initiate(sb__mech *m, sb__cursor data)
{
    handshake *hs = ((curve *)m->state)->hs;
    const uint8_t *cookie, *number, *key, *vouch;
    uint8_t nonce[NONCE];
    sb__cursor clear;
    sb__mech_step step;

    if (!sb__cursor_take(&data, COOKIE, &cookie) || !sb__cursor_take(&data, SHORT, &number))
        return SB__MECH_MALFORMED;
    if (!grows(hs, number) || !check_cookie(hs, cookie))
        return SB__MECH_CRYPTO;
    nonce_short(nonce, "CurveZMQINITIATE", number);
    step = open_rest(hs, data, nonce, KEY + LONG + VOUCH, &clear);
    if (step != SB__MECH_ON)
        return step;
    if (!sb__cursor_take(&clear, KEY, &key) || !sb__cursor_take(&clear, LONG + VOUCH, &vouch))
        return SB__MECH_MALFORMED;
    memcpy(hs->peer_key, key, KEY);
    if (!check_vouch(hs, vouch))
        return SB__MECH_CRYPTO;
    hs->peer_nonce = sb__be64_get(number);
    hs->step = WANT_ANSWER;
    m->peer_metadata = clear;
    m->has_metadata = true;
    m->credentials = (sb_credentials){
        .mechanism = SB_MECHANISM_CURVE, .username = "", .password = "", .key = hs->peer_key};
    return SB__MECH_ASK;
}

static sb__mech_step server_command(sb__mech *m, const uint8_t *body, size_t len, sb__bytes *out)
{
    const handshake *hs = ((curve *)m->state)->hs;
    sb__command_id id;
    sb__cursor data;

    if (!sb__command_get(body, len, &id, &data))
        return SB__MECH_MALFORMED;
    if (id == SB__COMMAND_HELLO && hs->step == WANT_HELLO)
        return on_hello(m, data, out);
    if (id == SB__COMMAND_INITIATE && hs->step == WANT_INITIATE)
        return on_initiate(m, data);
    return SB__MECH_UNEXPECTED;
}

/* READY: nonce, box[metadata](s -> c) */
static sb__mech_step server_accept(sb__mech *m, sb__bytes *out)
{
    curve *c = m->state;
    size_t len = m->cfg->metadata_len;
    uint8_t nonce[NONCE], number[SHORT], *p;

    sb__command_put(out, SB__COMMAND_READY, SHORT + MAC + len);
    p = sb__bytes_add(out, SHORT + MAC + len);
    if (p == NULL)
        return SB__MECH_NOMEM;
    sb__be64_put(number, 1);
    nonce_short(nonce, "CurveZMQREADY---", number);
    memcpy(p, number, SHORT);
    if (crypto_box_easy_afternm(p + SHORT, m->cfg->metadata, len, nonce, c->hs->shared) != 0)
        return SB__MECH_CRYPTO;
    begin_traffic(c, true, 1);
    return SB__MECH_DONE;
}

const sb__mech_impl sb__mech_curve_client = {
    .id = SB_MECHANISM_CURVE,
    .silent = true,
    .start = client_start,
    .command = client_command,
    .settle = curve_settle,
    .overhead = SB__CURVE_OVERHEAD,
    .seal = curve_seal,
    .open = curve_open,
    .finish = curve_finish,
};

const sb__mech_impl sb__mech_curve_server = {
    .id = SB_MECHANISM_CURVE,
    .start = server_start,
    .command = server_command,
    .accept = server_accept,
    .settle = curve_settle,
    .overhead = SB__CURVE_OVERHEAD,
    .seal = curve_seal,
    .open = curve_open,
    .finish = curve_finish,
};
