/* ZAP 1.0 (RFC 27) for handlers that are sockets: a REP or ROUTER of the application, bound to
 * inproc://zeromq.zap.01, is asked by a DEALER of the engine's own.
 * Before: auth.c. After: inproc.c; sb_auth_answer. */
#include "engine/socket/internal.h"
#include "engine/wire/metadata.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAME    "zeromq.zap.01"
#define PENDING 10000 /* questions the handler has not taken yet */
#define PROPS   16    /* of an answer, at most */

/* Frames of an answer, the delimiter first. */
enum { DELIMITER, VERSION, REQUEST, STATUS, TEXT, USER, METADATA, FRAMES };

bool sb__zap_bound(sb_engine *engine)
{
    return sb__inproc_bound(engine, NAME);
}

/* ---- answers ---- */

static bool is(const sb_frame *f, const char *text)
{
    return f->len == strlen(text) && memcmp(f->data, text, f->len) == 0;
}

/* A frame of digits only. */
static bool number(const sb_frame *f, uint64_t *out)
{
    *out = 0;
    for (size_t i = 0; i < f->len; i++) {
        if (f->data[i] < '0' || f->data[i] > '9')
            return false;
        *out = *out * 10 + (uint64_t)(f->data[i] - '0');
    }
    return f->len > 0 && f->len < 20;
}

static void text_of(const sb_frame *f, char *out, size_t cap)
{
    size_t len = f->len < cap - 1 ? f->len : cap - 1;
    if (len > 0)
        memcpy(out, f->data, len);
    out[len] = '\0';
}

/* Reads the properties in place: a name loses its place in `names`, values stay where they are. */
static bool read_props(const sb_frame *f, sb_property props[PROPS], char names[PROPS][256], uint32_t *n)
{
    sb__cursor c = sb__cursor_of(f->data, f->len);
    sb__metadata m;
    for (*n = 0; *n < PROPS && sb__metadata_get(&c, &m); ++*n) {
        memcpy(names[*n], m.name, m.name_len);
        names[*n][m.name_len] = '\0';
        props[*n] = (sb_property){
            .name = names[*n], .value = (uint8_t *)(uintptr_t)m.value, .value_len = m.value_len};
    }
    return sb__cursor_left(&c) == 0;
}

static void take_answer(sb_engine *engine, uint64_t id, const sb_frame *f)
{
    sb_property props[PROPS];
    char names[PROPS][256], text[128], user[256];
    uint64_t status = 0;
    sb_session_verdict v = {.text = text, .user_id = user, .metadata = props};
    text_of(&f[TEXT], text, sizeof text);
    text_of(&f[USER], user, sizeof user);
    bool good = is(&f[DELIMITER], "") && is(&f[VERSION], "1.0") && number(&f[STATUS], &status) &&
                f[USER].len < sizeof user && read_props(&f[METADATA], props, names, &v.nmetadata);
    if (!good || (status != 200 && status != 300 && status != 400 && status != 500))
        v = (sb_session_verdict){.status = 300, .text = "malformed answer of the ZAP handler"};
    else
        v.status = (unsigned)status;
    sb_auth_answer(engine, id, &v);
}

/* An answer whose number cannot be read belongs to nobody; its question ends by time. */
static sb_err on_msg(sb_handler *self, sb_socket *sock, sb_peer *peer, sb_msg *msg)
{
    uint64_t id;
    (void)self;
    if (msg->n == FRAMES && number(&msg->frames[REQUEST], &id))
        take_answer(sock->engine, id, msg->frames);
    else
        sb_socket_log(sock, peer, SB_LOG_WARN, "the ZAP handler answered with what is no answer");
    return SB_OK;
}

static void on_closed(sb_handler *self, sb_socket *sock)
{
    (void)self;
    sock->engine->zap = NULL;
}

static const sb_handler handler = {.on_msg = on_msg, .on_closed = on_closed};

/* ---- questions ---- */

static sb_socket *dealer(sb_engine *engine)
{
    sb_socket *sock;
    if (engine->zap != NULL)
        return engine->zap;
    if (sb_socket_create(engine, SB_DEALER, NAME, &sock) != SB_OK)
        return NULL;
    sb_socket_set_int(sock, SB_OPT_LINGER, 0, NULL, 0);
    sb_socket_set_int(sock, SB_OPT_SNDHWM, PENDING, NULL, 0);
    engine->zap_handler = handler;
    sb_socket_set_handler(sock, &engine->zap_handler);
    engine->zap = sock;
    if (sb_socket_connect(sock, "inproc://" NAME, NULL, 0) == SB_OK)
        return sock;
    sb_socket_close(sock);
    return NULL;
}

static void push_text(sb_msg *msg, const char *text, size_t len)
{
    sb_msg_push(msg, text, len, NULL);
}

sb_err sb__zap_ask(sb_socket *asking, const sb_auth_request *r, const sb_credentials *c)
{
    const sb__blob *id = sb__opt_bytes(asking, SB_OPT_ROUTING_ID);
    sb_socket *sock = dealer(asking->engine);
    char request[24];
    sb_msg msg;
    if (sock == NULL)
        return SB_ENOMEM;
    snprintf(request, sizeof request, "%llu", (unsigned long long)r->id);
    sb_msg_init(&msg);
    push_text(&msg, "", 0);
    push_text(&msg, "1.0", 3);
    push_text(&msg, request, strlen(request));
    push_text(&msg, r->domain, strlen(r->domain));
    push_text(&msg, r->address, strlen(r->address));
    sb_msg_push(&msg, id->data, id->len, NULL); /* the asking socket's own, as libzmq does */
    push_text(&msg, r->mechanism, strlen(r->mechanism));
    if (c->mechanism == SB_MECHANISM_PLAIN) {
        push_text(&msg, c->username, c->username_len);
        push_text(&msg, c->password, c->password_len);
    }
    if (c->mechanism == SB_MECHANISM_CURVE)
        push_text(&msg, (const char *)c->key, SB_CURVE_KEY);
    uint32_t frames = 7 + (c->mechanism == SB_MECHANISM_PLAIN ? 2 : c->mechanism == SB_MECHANISM_CURVE);
    sb_err err = msg.n == frames ? sb_socket_send(sock, &msg) : SB_ENOMEM;
    sb_msg_finish(&msg);
    return err;
}
