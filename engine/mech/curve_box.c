/* CURVE's MESSAGE (RFC 26): name, short nonce, and a box of one flags octet and a frame's body. The box is
 * crypto_box of NaCl; that the first 16 octets of its nonce never change lets its first step be done once.
 * Place: behind curve.c. */
#include "engine/mech/curve.h"
#include "engine/wire/frame.h"

#include <string.h>

/* libzmq's flags in the box, which are not those of the wire (its msg_t). */
#define BOX_MORE    0x01u
#define BOX_COMMAND 0x02u

#define PAD 32 /* octets of key stream before the text: they make the tag's key */

static const uint8_t name[SB__CURVE_NAME] = {7, 'M', 'E', 'S', 'S', 'A', 'G', 'E'};

void sb__curve_box_init(
    sb__curve_box *box, const uint8_t shared[crypto_box_BEFORENMBYTES], bool from_server, uint64_t nonce)
{
    const char *prefix = from_server ? "CurveZMQMESSAGES" : "CurveZMQMESSAGEC";

    crypto_core_hsalsa20(box->key, (const uint8_t *)prefix, shared, NULL);
    box->nonce = nonce;
}

/* Texts of more than one block of key stream and at most eight: libsodium makes eight blocks side by side in
 * less time than two one after the other. */
#define BLOCK     64
#define AT_ONCE   (8 * BLOCK)
#define SHORT_MIN (BLOCK - PAD + 1)
#define SHORT_MAX (AT_ONCE - PAD)

static bool is_short(size_t len)
{
    return len >= SHORT_MIN && len <= SHORT_MAX;
}

static void mix(uint8_t *to, const uint8_t *from, const uint8_t *stream, size_t len)
{
    for (size_t i = 0; i < len; i++)
        to[i] = from[i] ^ stream[i];
}

/* Ciphers PAD octets, which must be zero and become the tag's key, and the text behind them. */
static void cipher(const sb__curve_box *box, uint8_t *padded, size_t len, const uint8_t nonce[8])
{
    crypto_stream_salsa20_xor(padded, padded, PAD + len, nonce, box->key);
}

/* Writes the ciphered text, and the tag's key to `key`. */
static void cipher_out(const sb__curve_box *box, uint8_t flags, const sb__mech_frame *frame,
    const uint8_t nonce[8], uint8_t *text, uint8_t key[PAD])
{
    uint8_t stream[AT_ONCE];

    if (is_short(1 + frame->len)) {
        crypto_stream_salsa20(stream, sizeof stream, nonce, box->key);
        text[0] = flags ^ stream[PAD];
        mix(text + 1, frame->body, stream + PAD + 1, frame->len);
        memcpy(key, stream, PAD);
        return;
    }
    memset(text - PAD, 0, PAD);
    text[0] = flags;
    if (frame->len > 0)
        memcpy(text + 1, frame->body, frame->len);
    cipher(box, text - PAD, 1 + frame->len, nonce);
    memcpy(key, text - PAD, PAD);
}

bool sb__curve_seal(sb__curve_box *box, const sb__mech_frame *frame, uint8_t *out)
{
    uint8_t *nonce = out + SB__CURVE_NAME, *tag = nonce + 8, *text = tag + crypto_box_MACBYTES;
    uint8_t key[PAD], number[8];
    unsigned flags =
        (frame->flags & SB__FRAME_MORE ? BOX_MORE : 0) | (frame->flags & SB__FRAME_COMMAND ? BOX_COMMAND : 0);

    if (box->nonce == UINT64_MAX)
        return false;
    sb__be64_put(number, box->nonce++);
    cipher_out(box, (uint8_t)flags, frame, number, text, key);
    crypto_onetimeauth_poly1305(tag, text, 1 + frame->len, key);
    memcpy(out, name, sizeof name);
    memcpy(nonce, number, sizeof number);
    return true;
}

/* Writes the text to `to`, its flags octet first, when the tag is right. */
static bool open_short(const sb__curve_box *box, const uint8_t *nonce, const uint8_t *tag,
    const uint8_t *text, size_t size, uint8_t *to)
{
    uint8_t stream[AT_ONCE];

    crypto_stream_salsa20(stream, sizeof stream, nonce, box->key);
    mix(to, text, stream + PAD, size);
    return crypto_onetimeauth_poly1305_verify(tag, text, size, stream) == 0;
}

static bool open_long(const sb__curve_box *box, const uint8_t *nonce, const uint8_t *tag, const uint8_t *text,
    size_t size, uint8_t *to)
{
    uint8_t *padded = to - PAD, saved[PAD];
    bool good;

    memcpy(saved, padded, sizeof saved);
    memset(padded, 0, PAD);
    memcpy(to, text, size);
    cipher(box, padded, size, nonce);
    good = crypto_onetimeauth_poly1305_verify(tag, text, size, padded) == 0;
    memcpy(padded, saved, sizeof saved);
    return good;
}

bool sb__curve_open(sb__curve_box *box, const uint8_t *body, size_t len, uint8_t *out, sb__mech_frame *frame)
{
    const uint8_t *nonce = body + SB__CURVE_NAME, *tag = nonce + 8, *text = tag + crypto_box_MACBYTES;
    size_t size = len - (SB__CURVE_OVERHEAD - 1);
    uint8_t *to = out - 1, saved = *to;
    uint64_t number = sb__be64_get(nonce);
    bool good;

    /* Exactly the next: on a stream a gap is a frame that somebody took out (libzmq lets it pass). */
    if (memcmp(body, name, sizeof name) != 0 || number <= box->nonce || number - box->nonce != 1)
        return false;
    good = (is_short(size) ? open_short : open_long)(box, nonce, tag, text, size, to);
    frame->flags = (*to & BOX_MORE ? SB__FRAME_MORE : 0) | (*to & BOX_COMMAND ? SB__FRAME_COMMAND : 0);
    frame->body = out;
    frame->len = size - 1;
    *to = saved;
    if (good)
        box->nonce = number;
    return good;
}
