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

/* Ciphers PAD octets, which must be zero and become the tag's key, and the text behind them. */
static void cipher(const sb__curve_box *box, uint8_t *padded, size_t len, const uint8_t nonce[8])
{
    crypto_stream_salsa20_xor(padded, padded, PAD + len, nonce, box->key);
}

bool sb__curve_seal(sb__curve_box *box, const sb__mech_frame *frame, uint8_t *out)
{
    uint8_t *nonce = out + SB__CURVE_NAME, *tag = nonce + 8, *text = tag + crypto_box_MACBYTES;
    uint8_t key[PAD], number[8];
    size_t len = 1 + frame->len;

    if (box->nonce == UINT64_MAX)
        return false;
    sb__be64_put(number, box->nonce++);
    memset(text - PAD, 0, PAD);
    text[0] = (uint8_t)((frame->flags & SB__FRAME_MORE ? BOX_MORE : 0) |
                        (frame->flags & SB__FRAME_COMMAND ? BOX_COMMAND : 0));
    if (frame->len > 0)
        memcpy(text + 1, frame->body, frame->len);
    cipher(box, text - PAD, len, number);
    memcpy(key, text - PAD, PAD);
    crypto_onetimeauth_poly1305(tag, text, len, key);
    memcpy(out, name, sizeof name);
    memcpy(nonce, number, sizeof number);
    return true;
}

bool sb__curve_open(sb__curve_box *box, const uint8_t *body, size_t len, uint8_t *out, sb__mech_frame *frame)
{
    const uint8_t *nonce = body + SB__CURVE_NAME, *tag = nonce + 8, *text = tag + crypto_box_MACBYTES;
    uint8_t *padded = out - SB__MECH_ROOM, saved[SB__MECH_ROOM];
    uint64_t number = sb__be64_get(nonce);
    size_t size = len - (SB__CURVE_OVERHEAD - 1);
    bool good;

    if (memcmp(body, name, sizeof name) != 0 || number <= box->nonce)
        return false;
    memcpy(saved, padded, sizeof saved);
    memset(padded, 0, PAD);
    memcpy(padded + PAD, text, size);
    cipher(box, padded, size, nonce);
    good = crypto_onetimeauth_poly1305_verify(tag, text, size, padded) == 0;
    frame->flags =
        (out[-1] & BOX_MORE ? SB__FRAME_MORE : 0) | (out[-1] & BOX_COMMAND ? SB__FRAME_COMMAND : 0);
    frame->body = out;
    frame->len = size - 1;
    memcpy(padded, saved, sizeof saved);
    if (good)
        box->nonce = number;
    return good;
}
