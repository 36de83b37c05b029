/* Who may come in: asks an authenticator about a peer and hands on its answer, or none in time. Deny by
 * default. Before: transport/conn.c (the session asks). After: the authenticator, zap.c; sb__conn_answer. */
#include "engine/socket/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A question without an answer yet. It ends with its connection, or with the answer. */
typedef struct question {
    uint64_t id;
    sb_engine *engine;
    sb__conn *conn;
    sb_timer timer;
    sb__task answer;            /* at the end of the turn: never from inside the session's call */
    sb_session_verdict verdict; /* points into copy */
    void *copy;                 /* NULL: not answered */
} question;

static void question_free(question *q)
{
    sb_map_remove(&q->engine->questions, &q->id, sizeof q->id);
    sb_timer_stop(q->engine->loop, &q->timer);
    sb__task_cancel(&q->answer);
    q->conn->asked = NULL;
    free(q->copy);
    free(q);
}

void sb__auth_forget(sb__conn *conn)
{
    if (conn->asked != NULL)
        question_free(conn->asked);
}

/* ---- answers ---- */

static void answer_run(sb__task *task)
{
    question *q = SB_LIST_ENTRY(task, question, answer);
    sb__conn *conn = q->conn;
    sb_session_verdict verdict = q->verdict;
    void *copy = q->copy;
    q->copy = NULL;
    question_free(q);
    sb__conn_answer(conn, &verdict);
    free(copy);
}

static void on_late(sb_timer *timer)
{
    question *q = SB_LIST_ENTRY(timer, question, timer);
    sb_session_verdict verdict = {.status = 300, .text = "no answer in time"};
    sb__conn *conn = q->conn;
    question_free(q);
    sb__conn_answer(conn, &verdict);
}

static size_t copy_size(const sb_session_verdict *v)
{
    size_t size = v->nmetadata * sizeof(sb_property) + 2;
    size += v->text != NULL ? strlen(v->text) : 0;
    size += v->user_id != NULL ? strlen(v->user_id) : 0;
    for (uint32_t i = 0; i < v->nmetadata; i++)
        size += strlen(v->metadata[i].name) + 1 + v->metadata[i].value_len;
    return size;
}

static char *put(char **at, const void *data, size_t len)
{
    char *to = *at;
    if (len > 0)
        memcpy(to, data, len);
    *at += len;
    return to;
}

static char *put_text(char **at, const char *text)
{
    return text != NULL ? put(at, text, strlen(text) + 1) : put(at, "", 1);
}

static bool copy_verdict(question *q, const sb_session_verdict *from)
{
    sb_session_verdict *v = &q->verdict;
    sb_property *props = q->copy = malloc(copy_size(from));
    if (props == NULL)
        return false;
    char *at = (char *)(props + from->nmetadata);
    *v = *from;
    v->metadata = props;
    for (uint32_t i = 0; i < from->nmetadata; i++) {
        const sb_property *p = &from->metadata[i];
        props[i].name = put_text(&at, p->name);
        props[i].value_len = p->value_len;
        props[i].value = (uint8_t *)put(&at, p->value, p->value_len);
    }
    v->text = put_text(&at, from->text);
    v->user_id = put_text(&at, from->user_id);
    return true;
}

static sb_err answer(question *q, const sb_session_verdict *verdict)
{
    if (q->copy != NULL)
        return SB_ENOENT;
    if (!copy_verdict(q, verdict))
        return SB_ENOMEM;
    sb_timer_stop(q->engine->loop, &q->timer);
    sb__hub_input(&q->engine->hub, &q->answer);
    return SB_OK;
}

sb_err sb_auth_answer(sb_engine *engine, uint64_t id, const sb_session_verdict *verdict)
{
    question *q = sb_map_get(&engine->questions, &id, sizeof id);
    return q != NULL ? answer(q, verdict) : SB_ENOENT;
}

/* ---- questions ---- */

static void say(question *q, unsigned status, const char *text)
{
    answer(q, &(sb_session_verdict){.status = status, .text = text});
}

/* The host of "tcp://host:port", without the brackets of IPv6. */
static void host_of(const char *endpoint, char *out, size_t cap)
{
    const char *begin = strncmp(endpoint, "tcp://", 6) == 0 ? endpoint + 6 : "", *end = strrchr(begin, ':');
    size_t len = end != NULL ? (size_t)(end - begin) : strlen(begin);
    if (len >= 2 && begin[0] == '[') {
        begin++;
        len -= 2;
    }
    snprintf(out, cap, "%.*s", (int)len, begin);
}

static void fill(
    sb_auth_request *r, question *q, sb_socket *sock, const sb_credentials *c, const sb_peer_info *info)
{
    const sb__blob *domain = sb__opt_bytes(sock, SB_OPT_ZAP_DOMAIN);
    *r = (sb_auth_request){.id = q->id,
        .socket = sock,
        .mechanism = sb_mechanism_name(c->mechanism),
        .domain = domain->data != NULL ? (const char *)domain->data : "",
        .endpoint = q->conn->address != NULL ? q->conn->address : "",
        .username = c->username,
        .username_len = c->username_len,
        .password = c->password,
        .password_len = c->password_len,
        .key = ""};
    if (info == NULL)
        return;
    r->key = info->key;
    r->identity = info->identity;
    r->identity_len = info->identity_len;
    r->metadata = info->props;
    r->nmetadata = info->nprops;
}

/* Nobody can be asked. PLAIN lets nobody in then, as with libzmq; encryption without authentication (and
 * NULL) is for sockets that name no domain. */
static void nobody(question *q, const sb_auth_request *r, sb_mechanism mechanism)
{
    if (mechanism != SB_MECHANISM_PLAIN && r->domain[0] == '\0')
        say(q, 200, "");
    else
        say(q, 300, "there is no authenticator");
}

/* With curve_allow a key must be in it; its name there is the user id. */
static bool allowed(question *q, sb_socket *sock, const sb_credentials *c, const char *text)
{
    const sb_key_entry *entry = sb__keys_find(sock, c->key);
    if (entry == NULL)
        say(q, 400, "its key is not in curve_allow");
    else if (sock->engine->authenticator == NULL)
        answer(
            q, &(sb_session_verdict){.status = 200, .user_id = entry->name[0] != '\0' ? entry->name : text});
    return entry != NULL && sock->engine->authenticator != NULL;
}

static void ask(question *q, sb_socket *sock, const sb_credentials *c, const sb_peer_info *info)
{
    sb_engine *engine = sock->engine;
    sb_auth_request request;
    char host[128];
    fill(&request, q, sock, c, info);
    host_of(request.endpoint, host, sizeof host);
    request.address = host;
    if (sock->allowed != NULL && c->key != NULL && !allowed(q, sock, c, request.key))
        return;
    bool named = request.domain[0] != '\0';
    if (engine->authenticator != NULL)
        engine->authenticator->on_request(engine->authenticator, &request);
    else if (!sb__zap_bound(engine) || (!named && sb__opt(sock, SB_OPT_ZAP_ENFORCE_DOMAIN)))
        nobody(q, &request, c->mechanism);
    else if (sb__zap_ask(sock, &request, c) != SB_OK)
        say(q, 300, "the ZAP handler cannot be asked");
}

static question *question_create(sb__conn *conn, sb_socket *sock)
{
    sb_engine *engine = sock->engine;
    question *q = calloc(1, sizeof *q);
    if (q == NULL)
        return NULL;
    q->id = ++engine->hub.last_id;
    q->engine = engine;
    q->conn = conn;
    sb_timer_init(&q->timer, on_late);
    sb__task_init(&q->answer, answer_run);
    if (sb_map_add(&engine->questions, &q->id, sizeof q->id, q) != SB_OK) {
        free(q);
        return NULL;
    }
    conn->asked = q;
    return q;
}

sb_err sb__auth_ask(sb__conn *conn, const sb_credentials *credentials, const sb_peer_info *info)
{
    sb_socket *sock = ((sb__binding *)conn->owner_data)->socket;
    question *q = question_create(conn, sock);
    if (q == NULL)
        return SB_ENOMEM;
    int64_t ms = sb__opt(sock, SB_OPT_AUTH_TIMEOUT);
    sb_timer_start(sock->engine->loop, &q->timer, sb_engine_now(sock->engine) + (uint64_t)ms * SB_NS_PER_MS);
    ask(q, sock, credentials, info);
    return SB_OK;
}

/* ---- public ---- */

void sb_engine_set_authenticator(sb_engine *engine, sb_authenticator *authenticator)
{
    engine->authenticator = authenticator;
}

sb_authenticator *sb_engine_get_authenticator(const sb_engine *engine)
{
    return engine->authenticator;
}
