/* What ws.c (messages) and ws_handshake.c (HTTP) share. Private to the two. */
#ifndef SB_WS_INTERNAL_H
#define SB_WS_INTERNAL_H

#include "engine/transport/filter.h"
#include "engine/transport/http.h"
#include "engine/transport/ws.h"
#include "engine/transport/zws.h"

#include <wslay/wslay.h>

typedef struct ws {
    sb__filter base; /* first member */
    sb__ws_config cfg;
    char *host, *path, *origin;
    enum { WS_HANDSHAKE, WS_OPEN, WS_FAILED } state;

    /* the handshake */
    uint32_t mechanisms;   /* SB_MECHANISM_BIT()s that the session above can */
    bool session_serves;   /* it is the server of its mechanism */
    const char *mechanism; /* chosen */
    sb__bytes head;
    size_t seen, head_len; /* octets looked at; of the whole head, 0: not there yet */
    char key[32];          /* ours (client) */
    char protocol[40];
    bool plain; /* "ZWS2.0": no mechanism, routing ids instead of READY */

    /* the session's octets on their way to messages */
    sb__zws_out writes;
    wslay_frame_context_ptr frames; /* writes data frames in pieces */

    /* messages on their way to the session */
    wslay_event_context_ptr events; /* reads everything, writes control frames */
    const uint8_t *in;
    size_t in_len;
    bool control;       /* inside a control frame */
    bool gathering;     /* the message goes to `part` first */
    bool head_given;    /* the flags octet came and the ZMTP head went up */
    bool last_fragment; /* the frame being read ends its message */
    bool peer_told;     /* plain: the peer's routing id came */
    uint64_t length;    /* of the frame being read */
    sb__bytes part;
    uint16_t bad; /* close code of our own refusal, 0 = none */
} ws;

/* A client's request. */
void sb__ws_ask(ws *w);
/* Looks at what came so far; opens, fails or waits. */
sb_err sb__ws_handshake(ws *w);
/* The handshake is done: messages may flow. `rest` octets behind the head are the first of them. */
sb_err sb__ws_opened(ws *w);

#endif
