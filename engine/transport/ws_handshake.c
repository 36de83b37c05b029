/* The WebSocket opening handshake (RFC 6455 section 4) and the choice of a ZWS subprotocol.
 * Before: ws.c (octets of the head). After: ws.c (open, or refused with an HTTP status). */
#include "engine/transport/tls.h"
#include "engine/transport/ws_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PREFIX   "ZWS2.0"
#define HEAD_OUT 2048 /* octets of what we write */

static void say(ws *w, const char *text)
{
    sb__filter_put(&w->base, text, strlen(text));
}

/* "ZWS2.0/MECHANISM"; "ZWS2.0" is NULL without its READY. */
static bool is_mechanism(sb_mechanism id, const char *name, size_t len)
{
    char full[40];
    int n = snprintf(full, sizeof full, PREFIX "/%s", sb_mechanism_name(id));
    if (id == SB_MECHANISM_NULL && len == strlen(PREFIX))
        n = (int)len;
    return len == (size_t)n && memcmp(name, full, len) == 0;
}

/* Takes a subprotocol that the session can; false: it cannot. */
static bool choose(ws *w, const char *name, size_t len)
{
    for (uint32_t id = 0; w->mechanisms >> id != 0; id++) {
        if ((w->mechanisms >> id & 1) == 0 || !is_mechanism((sb_mechanism)id, name, len))
            continue;
        snprintf(w->protocol, sizeof w->protocol, "%.*s", (int)len, name);
        w->mechanism = sb_mechanism_name((sb_mechanism)id);
        w->plain = len == strlen(PREFIX);
        return true;
    }
    return false;
}

/* All that the session can, as a field's value. "ZWS2.0" comes first: servers that know nothing else take the
 * first for theirs (jszmq). */
static void list(const ws *w, char *out, size_t cap)
{
    size_t at = 0;
    if (w->mechanisms & SB_MECHANISM_BIT(SB_MECHANISM_NULL))
        at = (size_t)snprintf(out, cap, PREFIX ",");
    for (uint32_t id = 0; w->mechanisms >> id != 0; id++)
        if (w->mechanisms >> id & 1)
            at += (size_t)snprintf(out + at, cap - at, PREFIX "/%s,", sb_mechanism_name((sb_mechanism)id));
    out[at - 1] = '\0'; /* the last comma */
}

/* ---- as a server ---- */

typedef struct refusal {
    const char *status, *field; /* "404 Not Found"; one more field, or "" */
} refusal;

static const refusal bad_request = {"400 Bad Request", ""};
static const refusal not_found = {"404 Not Found", ""};
static const refusal bad_method = {"405 Method Not Allowed", "Allow: GET\r\n"};
static const refusal upgrade = {
    "426 Upgrade Required", "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"};
static const refusal too_large = {"431 Request Header Fields Too Large", ""};

static sb_err refuse(ws *w, const refusal *r, const char *text)
{
    char head[HEAD_OUT];
    snprintf(head, sizeof head,
        "HTTP/1.1 %s\r\nConnection: close\r\n%sContent-Type: text/plain\r\nContent-Length: %zu\r\n\r\n%s\n",
        r->status, r->field, strlen(text) + 1, text);
    say(w, head);
    w->state = WS_FAILED;
    return sb__filter_why(&w->base, SB_EPROTO, "HTTP %s: %s", r->status, text);
}

static bool same_path(const ws *w, const char *target)
{
    size_t len = strcspn(target, "?");
    return len == strlen(w->path) && memcmp(target, w->path, len) == 0;
}

/* 16 octets in base64. */
static bool key_ok(const char *key)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    return key != NULL && strlen(key) == 24 && strspn(key, digits) == 22 && strcmp(key + 22, "==") == 0;
}

/* Of what is offered the one with a mechanism: it lets both ends say what they are. */
static bool choose_offered(ws *w, const sb__http *h)
{
    for (size_t i = 0; i < h->n; i++) {
        const char *list = h->fields[i].value, *item;
        size_t len;
        if (strcasecmp(h->fields[i].name, "Sec-WebSocket-Protocol") != 0)
            continue;
        while ((item = sb__http_item(&list, &len)) != NULL)
            if (w->mechanism == NULL || w->plain)
                choose(w, item, len);
    }
    return w->mechanism != NULL;
}

static sb_err check_request(ws *w, const sb__http *h)
{
    const char *version = sb__http_field(h, "Sec-WebSocket-Version");
    char text[120];
    if (strcmp(h->third, "HTTP/1.1") != 0)
        return refuse(w, &bad_request, "expected HTTP/1.1");
    if (strcmp(h->first, "GET") != 0)
        return refuse(w, &bad_method, "expected GET");
    if (sb__http_field(h, "Host") == NULL)
        return refuse(w, &bad_request, "expected one Host field");
    if (!same_path(w, h->second))
        return refuse(w, &not_found, "no socket has this path");
    if (!sb__http_has(h, "Upgrade", "websocket") || !sb__http_has(h, "Connection", "Upgrade"))
        return refuse(w, &upgrade, "this is a WebSocket: expected Upgrade: websocket");
    if (version == NULL || strcmp(version, "13") != 0)
        return refuse(w, &upgrade, "expected Sec-WebSocket-Version: 13");
    if (!key_ok(sb__http_field(h, "Sec-WebSocket-Key")))
        return refuse(w, &bad_request, "expected a Sec-WebSocket-Key of 16 octets in base64");
    if (choose_offered(w, h))
        return SB_OK;
    size_t at = (size_t)snprintf(text, sizeof text, "expected one of Sec-WebSocket-Protocol: ");
    list(w, text + at, sizeof text - at);
    return refuse(w, &bad_request, text);
}

static sb_err accept_request(ws *w, const sb__http *h)
{
    char head[HEAD_OUT], answer[SB__TLS_ACCEPT];
    const char *origin = sb__http_field(h, "Origin");
    sb__tls_websocket_accept(sb__http_field(h, "Sec-WebSocket-Key"), answer);
    snprintf(head, sizeof head,
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Accept: %s\r\nSec-WebSocket-Protocol: %s\r\n\r\n",
        answer, w->protocol);
    say(w, head);
    w->origin = origin != NULL ? strdup(origin) : NULL;
    return sb__ws_opened(w);
}

static sb_err serve(ws *w)
{
    sb__http h;
    if (!sb__http_parse((char *)sb__bytes_data(&w->head), w->head_len, &h))
        return refuse(w, &bad_request, "not an HTTP/1.1 request");
    sb_err err = check_request(w, &h);
    return err == SB_OK ? accept_request(w, &h) : err;
}

/* ---- as a client ---- */

void sb__ws_ask(ws *w)
{
    char head[HEAD_OUT], offers[120];
    uint8_t nonce[16];
    sb__tls_random(nonce, sizeof nonce);
    sb__tls_base64(nonce, sizeof nonce, w->key);
    list(w, offers, sizeof offers);
    snprintf(head, sizeof head,
        "GET %s HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: %s\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: %s\r\n\r\n",
        w->path, w->host, w->key, offers);
    say(w, head);
}

static sb_err disappointed(ws *w, const char *what)
{
    w->state = WS_FAILED;
    return sb__filter_why(&w->base, SB_EPROTO, "WebSocket handshake: %s", what);
}

static sb_err check_response(ws *w, const sb__http *h)
{
    char expected[SB__TLS_ACCEPT];
    const char *answer = sb__http_field(h, "Sec-WebSocket-Accept");
    const char *protocol = sb__http_field(h, "Sec-WebSocket-Protocol");
    sb__tls_websocket_accept(w->key, expected);
    if (strcmp(h->second, "101") != 0) {
        w->state = WS_FAILED;
        return sb__filter_why(
            &w->base, SB_EPROTO, "WebSocket handshake: the server says %.12s %.60s", h->second, h->third);
    }
    if (!sb__http_has(h, "Upgrade", "websocket") || !sb__http_has(h, "Connection", "Upgrade"))
        return disappointed(w, "the answer does not upgrade");
    if (answer == NULL || strcmp(answer, expected) != 0)
        return disappointed(w, "wrong Sec-WebSocket-Accept");
    if (protocol == NULL || !choose(w, protocol, strlen(protocol)))
        return disappointed(w, "the server chose no subprotocol that was offered");
    return SB_OK;
}

static sb_err be_served(ws *w)
{
    sb__http h;
    if (!sb__http_parse((char *)sb__bytes_data(&w->head), w->head_len, &h) ||
        strncmp(h.first, "HTTP/1.", 7) != 0)
        return disappointed(w, "the answer is not HTTP/1.1");
    sb_err err = check_response(w, &h);
    return err == SB_OK ? sb__ws_opened(w) : err;
}

/* ---- both ---- */

/* SB_EAGAIN: not all of the head is there; SB_EMSGSIZE: it is too long. */
static sb_err look(ws *w)
{
    size_t len = sb__bytes_len(&w->head);
    w->head_len = sb__http_end((const char *)sb__bytes_data(&w->head), len, w->seen);
    w->seen = len;
    if (w->head_len > SB__HTTP_HEAD_MAX || (w->head_len == 0 && len >= SB__HTTP_HEAD_MAX))
        return SB_EMSGSIZE;
    return w->head_len > 0 ? SB_OK : SB_EAGAIN;
}

sb_err sb__ws_handshake(ws *w)
{
    sb_err err = look(w);
    if (err == SB_EMSGSIZE)
        return w->cfg.as_server ? refuse(w, &too_large, "the head is longer than 8192 octets")
                                : disappointed(w, "the answer's head is longer than 8192 octets");
    if (err == SB_EAGAIN)
        return SB_OK;
    return w->cfg.as_server ? serve(w) : be_served(w);
}
