/* Access logs: the format is compiled once, into pieces of text and variables. Before: the hosts. After:
 * engine/tap.h. */
#include "modules/library/access.h"

#include "engine/socket.h"
#include "engine/base/near.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define PIECES_MAX 64

typedef struct line {
    char *out;
    size_t len, cap;
    void (*escape)(struct line *l, const void *data, size_t len);
} line;

typedef struct piece {
    void (*put)(line *l, const sb_access *access, const sb_passage *p); /* NULL: text */
    const char *text; /* in the access's copy of the format */
    size_t len;
} piece;

struct sb_access {
    uint32_t sample, seen, deeds; /* deeds: bits of sb_deed */
    void (*escape)(line *l, const void *data, size_t len);
    char *format;
    size_t n;
    piece pieces[PIECES_MAX];
};

/* ---- writing ---- */

static void put_raw(line *l, const void *data, size_t len)
{
    size_t n = len < l->cap - l->len ? len : l->cap - l->len;
    memcpy(l->out + l->len, data, n);
    l->len += n;
}

static void put_number(line *l, unsigned long long n)
{
    char text[24];
    put_raw(l, text, (size_t)snprintf(text, sizeof text, "%llu", n));
}

/* What would end a field or a line, as \xHH: nginx's default. */
static void escape_default(line *l, const void *data, size_t len)
{
    const unsigned char *p = data;
    char text[8];
    for (size_t i = 0; i < len; i++)
        if (p[i] < 0x20 || p[i] >= 0x7f || p[i] == '"' || p[i] == '\\')
            put_raw(l, text, (size_t)snprintf(text, sizeof text, "\\x%02X", p[i]));
        else
            put_raw(l, &p[i], 1);
}

/* The inside of a JSON string; octets are code points of Latin-1, so that it is JSON whatever they are. */
static void escape_json(line *l, const void *data, size_t len)
{
    const unsigned char *p = data;
    char text[8];
    for (size_t i = 0; i < len; i++)
        if (p[i] == '"' || p[i] == '\\')
            put_raw(l, text, (size_t)snprintf(text, sizeof text, "\\%c", p[i]));
        else if (p[i] < 0x20 || p[i] >= 0x7f)
            put_raw(l, text, (size_t)snprintf(text, sizeof text, "\\u%04x", p[i]));
        else
            put_raw(l, &p[i], 1);
}

static const struct {
    const char *name;
    void (*escape)(line *l, const void *data, size_t len);
    const char *missing; /* what stands for no value */
} escapes[] = {{"default", escape_default, "-"}, {"json", escape_json, ""}, {"none", put_raw, ""}};
#define NESCAPES (sizeof escapes / sizeof *escapes)

static void put_text(line *l, const char *text)
{
    size_t k = 0;
    while (k + 1 < NESCAPES && escapes[k].escape != l->escape)
        k++;
    if (text == NULL || *text == '\0')
        put_raw(l, escapes[k].missing, strlen(escapes[k].missing));
    else
        l->escape(l, text, strlen(text));
}

/* ---- variables ---- */

static void peer(line *l, const sb_access *access, const sb_passage *p)
{
    sb_client client = {.address = ""};
    (void)access;
    if (p->peer != NULL && !sb_peer_client(p->peer, &client))
        client.address = sb_peer_address(p->peer);
    put_text(l, client.address);
}

static void user(line *l, const sb_access *access, const sb_passage *p)
{
    sb_client client = {.user_id = ""};
    (void)access;
    if (p->peer != NULL && !sb_peer_client(p->peer, &client))
        client.user_id = sb_peer_user_id(p->peer);
    put_text(l, client.user_id);
}

static void connection(line *l, const sb_access *access, const sb_passage *p)
{
    (void)access;
    put_number(l, p->peer != NULL ? sb_peer_connection(p->peer) : 0);
}

static void name(line *l, const sb_access *access, const sb_passage *p)
{
    (void)access;
    put_text(l, sb_socket_name(p->socket));
}

static void type(line *l, const sb_access *access, const sb_passage *p)
{
    (void)access;
    put_text(l, sb_type_name(sb_socket_type(p->socket)));
}

/* The first frame of the body; most of a long one says nothing more. */
static void topic(line *l, const sb_access *access, const sb_passage *p)
{
    const sb_msg *m = p->msg;
    (void)access;
    if (m->n <= m->envelope || m->frames[m->envelope].len == 0)
        put_text(l, "");
    else
        l->escape(l, m->frames[m->envelope].data,
            m->frames[m->envelope].len < 256 ? m->frames[m->envelope].len : 256);
}

static void size(line *l, const sb_access *access, const sb_passage *p)
{
    unsigned long long n = 0;
    (void)access;
    for (uint32_t i = p->msg->envelope; i < p->msg->n; i++)
        n += p->msg->frames[i].len;
    put_number(l, n);
}

static void frames(line *l, const sb_access *access, const sb_passage *p)
{
    (void)access;
    put_number(l, p->msg->n - p->msg->envelope);
}

static void route(line *l, const sb_access *access, const sb_passage *p)
{
    (void)access;
    if (p->row == 0)
        put_text(l, "");
    else
        put_number(l, p->row);
}

static void action(line *l, const sb_access *access, const sb_passage *p)
{
    (void)access;
    put_text(l, sb_deed_name(p->deed));
}

static void target(line *l, const sb_access *access, const sb_passage *p)
{
    (void)access;
    put_text(l, p->to != NULL ? sb_socket_name(p->to) : "");
}

static void reason(line *l, const sb_access *access, const sb_passage *p)
{
    (void)access;
    put_text(l, p->reason);
}

static void worker(line *l, const sb_access *access, const sb_passage *p)
{
    uint32_t workers;
    (void)access;
    put_number(l, sb_engine_worker(sb_socket_engine(p->socket), &workers));
}

static void pid(line *l, const sb_access *access, const sb_passage *p)
{
    (void)access, (void)p;
    put_number(l, (unsigned long long)getpid());
}

static void put_time(line *l, const char *format)
{
    char text[64];
    struct tm tm;
    time_t now = time(NULL);
    if (localtime_r(&now, &tm) != NULL)
        put_raw(l, text, strftime(text, sizeof text, format, &tm));
}

/* strftime has no colon in the offset. */
static void time_iso8601(line *l, const sb_access *access, const sb_passage *p)
{
    (void)access, (void)p;
    size_t before = l->len;
    put_time(l, "%Y-%m-%dT%H:%M:%S%z");
    if (l->len - before != 24 || l->cap - l->len < 1)
        return;
    memmove(l->out + l->len - 1, l->out + l->len - 2, 2);
    l->out[l->len - 2] = ':';
    l->len++;
}

static void time_local(line *l, const sb_access *access, const sb_passage *p)
{
    (void)access, (void)p;
    put_time(l, "%d/%b/%Y:%H:%M:%S %z");
}

static void msec(line *l, const sb_access *access, const sb_passage *p)
{
    struct timespec now;
    char text[40];
    (void)access, (void)p;
    clock_gettime(CLOCK_REALTIME, &now);
    put_raw(l, text,
        (size_t)snprintf(text, sizeof text, "%lld.%03ld", (long long)now.tv_sec, now.tv_nsec / 1000000));
}

static const struct {
    const char *name;
    void (*put)(line *l, const sb_access *access, const sb_passage *p);
} variables[] = {
    {"signalbox_peer", peer},
    {"signalbox_user", user},
    {"signalbox_connection", connection},
    {"signalbox_socket", name},
    {"signalbox_type", type},
    {"signalbox_topic", topic},
    {"signalbox_size", size},
    {"signalbox_frames", frames},
    {"signalbox_route", route},
    {"signalbox_action", action},
    {"signalbox_target", target},
    {"signalbox_reason", reason},
    {"signalbox_worker", worker},
    {"pid", pid},
    {"msec", msec},
    {"time_iso8601", time_iso8601},
    {"time_local", time_local},
};
#define NVARIABLES (sizeof variables / sizeof *variables)

/* ---- compiling ---- */

static bool is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

static sb_err unknown_variable(const char *at, size_t len, char *err, size_t cap)
{
    char word[64];
    const char *names[NVARIABLES + 1];
    for (size_t i = 0; i < NVARIABLES; i++)
        names[i] = variables[i].name;
    names[NVARIABLES] = NULL;
    snprintf(word, sizeof word, "%.*s", (int)len, at);
    const char *near = sb_near_word(word, names);
    int n = snprintf(err, cap, "unknown variable \"$%s\"", word);
    if (near != NULL)
        snprintf(err + n, cap - (size_t)n, ", did you mean \"$%s\"?", near);
    else
        snprintf(err + n, cap - (size_t)n,
            ", there are $signalbox_peer, $signalbox_socket, $signalbox_topic, ...");
    return SB_EINVAL;
}

/* The name behind a "$", bare or in braces; NULL when it does not end. */
static const char *variable_name(const char *at, const char **name_at, size_t *len)
{
    bool braces = *at == '{';
    *name_at = at += braces;
    while (is_word(*at))
        at++;
    *len = (size_t)(at - *name_at);
    return !braces ? at : *at == '}' ? at + 1 : NULL;
}

static sb_err add_variable(sb_access *a, const char **at, char *err, size_t cap)
{
    const char *name_at;
    size_t len;
    const char *end = variable_name(*at + 1, &name_at, &len);
    for (size_t i = 0; end != NULL && i < NVARIABLES; i++) {
        if (strlen(variables[i].name) != len || strncmp(variables[i].name, name_at, len) != 0)
            continue;
        a->pieces[a->n++] = (piece){.put = variables[i].put};
        *at = end;
        return SB_OK;
    }
    return unknown_variable(name_at, len, err, cap);
}

static sb_err compile(sb_access *a, char *err, size_t cap)
{
    sb_err code = SB_OK;
    for (const char *at = a->format; *at != '\0' && code == SB_OK;) {
        if (a->n == PIECES_MAX) {
            snprintf(err, cap, "the format has more than %d pieces", PIECES_MAX);
            return SB_EINVAL;
        }
        if (*at == '$') {
            code = add_variable(a, &at, err, cap);
            continue;
        }
        size_t len = strcspn(at, "$");
        a->pieces[a->n++] = (piece){.text = at, .len = len};
        at += len;
    }
    return code;
}

static sb_err read_actions(sb_access *a, const char *list, char *err, size_t cap)
{
    a->deeds = list == NULL ? UINT32_MAX : 0;
    while (list != NULL && *list != '\0') {
        size_t len = strcspn(list, ",");
        sb_deed d = SB_DEED_TO;
        while (
            d < SB_DEED_COUNT && (strlen(sb_deed_name(d)) != len || strncmp(sb_deed_name(d), list, len) != 0))
            d++;
        if (d == SB_DEED_COUNT) {
            snprintf(err, cap, "unknown action \"%.*s\", there are to, reply, handled, drop, dead", (int)len,
                list);
            return SB_EINVAL;
        }
        a->deeds |= 1u << d;
        list += len + (list[len] == ',');
    }
    return SB_OK;
}

static sb_err read_escape(sb_access *a, const char *text, char *err, size_t cap)
{
    for (size_t i = 0; i < NESCAPES; i++) {
        if (strcmp(text != NULL ? text : "default", escapes[i].name) != 0)
            continue;
        a->escape = escapes[i].escape;
        return SB_OK;
    }
    snprintf(err, cap, "unknown escape \"%s\", use default, json or none", text);
    return SB_EINVAL;
}

sb_err sb_access_create(const sb_access_config *cfg, char *err, size_t cap, sb_access **out)
{
    sb_access *a = calloc(1, sizeof *a);
    if (a == NULL || (a->format = strdup(cfg->format != NULL ? cfg->format : SB_ACCESS_FORMAT)) == NULL) {
        snprintf(err, cap, "%s", sb_strerror(SB_ENOMEM));
        free(a);
        return SB_ENOMEM;
    }
    a->sample = cfg->sample != 0 ? cfg->sample : 1;
    sb_err code = read_escape(a, cfg->escape, err, cap);
    if (code == SB_OK)
        code = read_actions(a, cfg->actions, err, cap);
    if (code == SB_OK)
        code = compile(a, err, cap);
    if (code == SB_OK)
        *out = a;
    else
        sb_access_destroy(a);
    return code;
}

void sb_access_destroy(sb_access *access)
{
    if (access == NULL)
        return;
    free(access->format);
    free(access);
}

/* What nginx moves for its own use is no traffic of the scripts'. */
static bool is_ours(const sb_socket *sock)
{
    return strncmp(sb_socket_name(sock), "signalbox.", 10) == 0;
}

size_t sb_access_line(sb_access *access, const sb_passage *passage, char *out)
{
    line l = {.out = out, .cap = SB_ACCESS_LINE - 1, .escape = access->escape};
    if ((access->deeds & 1u << passage->deed) == 0 || is_ours(passage->socket) ||
        access->seen++ % access->sample != 0)
        return 0;
    for (size_t i = 0; i < access->n; i++)
        if (access->pieces[i].put != NULL)
            access->pieces[i].put(&l, access, passage);
        else
            put_raw(&l, access->pieces[i].text, access->pieces[i].len);
    out[l.len++] = '\n';
    return l.len;
}
