/* PLAIN (RFC 24): HELLO with name and password, WELCOME, INITIATE and READY with metadata. In clear text.
 * Place: behind engine/mech/mech.h. */
#include "engine/mech/plain.h"
#include "engine/wire/command.h"

#include <stdlib.h>
#include <string.h>

/* What comes next. */
enum step { WANT_HELLO, WANT_ANSWER, WANT_INITIATE, WANT_WELCOME, WANT_READY, WANT_NOTHING };

typedef struct plain {
    enum step step;
    char username[256], password[256]; /* server: what the client said */
} plain;

static sb__mech_step begin(sb__mech *m, enum step first)
{
    plain *p = calloc(1, sizeof *p);

    if (p == NULL)
        return SB__MECH_NOMEM;
    p->step = first;
    m->state = p;
    return SB__MECH_ON;
}

static void plain_finish(sb__mech *m)
{
    if (m->state != NULL)
        sb_wipe(m->state, sizeof(plain));
    free(m->state);
    m->state = NULL;
}

static void put_metadata(sb__mech *m, sb__bytes *out, sb__command_id id)
{
    sb__command_put(out, id, m->cfg->metadata_len);
    sb__bytes_put(out, m->cfg->metadata, m->cfg->metadata_len);
}

/* ---- client ---- */

static void put_text(sb__bytes *out, const char *text, size_t len)
{
    sb__bytes_put_u8(out, (uint8_t)len);
    sb__bytes_put(out, text, len);
}

static sb__mech_step client_start(sb__mech *m, sb__bytes *out)
{
    const sb_security *cfg = &m->cfg->security;
    const char *username = cfg->username != NULL ? cfg->username : "";
    const char *password = cfg->password != NULL ? cfg->password : "";
    size_t ulen = strnlen(username, 255), plen = strnlen(password, 255);

    sb__command_put(out, SB__COMMAND_HELLO, 2 + ulen + plen);
    put_text(out, username, ulen);
    put_text(out, password, plen);
    return begin(m, WANT_WELCOME);
}

static sb__mech_step on_welcome(sb__mech *m, sb__cursor data, sb__bytes *out)
{
    if (sb__cursor_left(&data) != 0)
        return SB__MECH_MALFORMED;
    put_metadata(m, out, SB__COMMAND_INITIATE);
    ((plain *)m->state)->step = WANT_READY;
    return SB__MECH_ON;
}

static sb__mech_step client_command(sb__mech *m, const uint8_t *body, size_t len, sb__bytes *out)
{
    plain *p = m->state;
    sb__command_id id;
    sb__cursor data;

    if (!sb__command_get(body, len, &id, &data))
        return SB__MECH_MALFORMED;
    if (id == SB__COMMAND_WELCOME && p->step == WANT_WELCOME)
        return on_welcome(m, data, out);
    if (id != SB__COMMAND_READY || p->step != WANT_READY)
        return SB__MECH_UNEXPECTED;
    p->step = WANT_NOTHING;
    m->peer_metadata = data;
    return SB__MECH_DONE;
}

/* ---- server ---- */

static sb__mech_step server_start(sb__mech *m, sb__bytes *out)
{
    (void)out;
    return begin(m, WANT_HELLO);
}

static bool get_text(sb__cursor *data, char text[256], size_t *len)
{
    const uint8_t *p;
    uint8_t n;

    if (!sb__cursor_u8(data, &n) || !sb__cursor_take(data, n, &p))
        return false;
    memcpy(text, p, n);
    text[n] = '\0';
    *len = n;
    return true;
}

static sb__mech_step on_hello(sb__mech *m, sb__cursor data)
{
    plain *p = m->state;
    sb_credentials *c = &m->credentials;

    *c = (sb_credentials){.mechanism = SB_MECHANISM_PLAIN, .username = p->username, .password = p->password};
    if (!get_text(&data, p->username, &c->username_len) || !get_text(&data, p->password, &c->password_len) ||
        sb__cursor_left(&data) != 0)
        return SB__MECH_MALFORMED;
    p->step = WANT_ANSWER;
    return SB__MECH_ASK;
}

static sb__mech_step on_initiate(sb__mech *m, sb__cursor data)
{
    ((plain *)m->state)->step = WANT_NOTHING;
    m->peer_metadata = data;
    return SB__MECH_HEAR;
}

static sb__mech_step server_command(sb__mech *m, const uint8_t *body, size_t len, sb__bytes *out)
{
    plain *p = m->state;
    sb__command_id id;
    sb__cursor data;

    (void)out;
    if (!sb__command_get(body, len, &id, &data))
        return SB__MECH_MALFORMED;
    if (id == SB__COMMAND_HELLO && p->step == WANT_HELLO)
        return on_hello(m, data);
    if (id == SB__COMMAND_INITIATE && p->step == WANT_INITIATE)
        return on_initiate(m, data);
    return SB__MECH_UNEXPECTED;
}

static sb__mech_step server_accept(sb__mech *m, sb__bytes *out)
{
    plain *p = m->state;

    if (p->step == WANT_NOTHING) {
        put_metadata(m, out, SB__COMMAND_READY);
        return SB__MECH_DONE;
    }
    sb_wipe(p->password, sizeof p->password);
    p->step = WANT_INITIATE;
    sb__command_put(out, SB__COMMAND_WELCOME, 0);
    return SB__MECH_ON;
}

const sb__mech_impl sb__mech_plain_client = {
    .id = SB_MECHANISM_PLAIN,
    .silent = true,
    .start = client_start,
    .command = client_command,
    .finish = plain_finish,
};

const sb__mech_impl sb__mech_plain_server = {
    .id = SB_MECHANISM_PLAIN,
    .start = server_start,
    .command = server_command,
    .accept = server_accept,
    .finish = plain_finish,
};
