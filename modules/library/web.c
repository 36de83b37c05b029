/* A web server for the pages of a board and nothing else: one request, one answer, the end of the connection.
 * Before: board.c, plan.c. After: engine/socket (STREAM), status.c, exposition.c. */
#include "modules/library/web.h"

#include "engine/signalbox.h"
#include "modules/library/samples.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CLIENTS  64                 /* connections at a time */
#define HALVES   8                  /* ... of which so many may have sent a part of their request */
#define HEAD     4096               /* octets of a request's first line and headers */
#define PATIENCE (10 * SB_NS_PER_S) /* after one to two of these a connection ends, whatever it waits for */

/* A request that is not all there. */
typedef struct half {
    uint64_t peer; /* 0: free */
    size_t len;
    char text[HEAD];
} half;

struct sb__web {
    sb_handler handler;
    sb_board *board;
    sb_socket *sock;
    sb_timer sweep;
    uint64_t last; /* peers up to this number were there at the last sweep */
    size_t next;   /* half that is given up when there is none left */
    half halves[HALVES];
};

typedef struct page {
    const char *path; /* up to a "?" */
    bool json;        /* only with format=json behind it */
    const char *type;
    void (*put)(sb_board *board, sb_text *out);
} page;

static void put_page(sb_board *board, sb_text *out)
{
    size_t len;
    const char *html = sb_status_page(&len);
    (void)board;
    sb_text_put(out, "%.*s", (int)len, html);
}

static const page pages[] = {
    {"/", true, "application/json", sb_board_status},
    {"/", false, "text/html; charset=utf-8", put_page},
    {"/metrics", false, "text/plain; version=0.0.4; charset=utf-8", sb_board_metrics},
};

static const page *find_page(const char *target)
{
    size_t len = strcspn(target, "?");
    bool json = strstr(target + len, "format=json") != NULL;
    for (size_t i = 0; i < sizeof pages / sizeof *pages; i++)
        if (strlen(pages[i].path) == len && strncmp(pages[i].path, target, len) == 0 &&
            (!pages[i].json || json))
            return &pages[i];
    return NULL;
}

/* ---- answers ---- */

static void send_part(sb__web *web, const sb_frame *id, const void *data, size_t len)
{
    sb_msg msg;
    sb_msg_init(&msg);
    if (sb_msg_push(&msg, id->data, id->len, NULL) == SB_OK && sb_msg_push(&msg, data, len, NULL) == SB_OK)
        sb_socket_send(web->sock, &msg);
    sb_msg_finish(&msg);
}

static void answer(
    sb__web *web, const sb_frame *id, const char *status, const char *type, const sb_text *body, bool head)
{
    sb_text text = {0};
    sb_text_put(&text,
        "HTTP/1.1 %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\nCache-Control: no-store\r\n"
        "X-Content-Type-Options: nosniff\r\nConnection: close\r\n\r\n",
        status, type, body->len);
    if (!head)
        sb_text_put(&text, "%s", body->text);
    if (!text.failed)
        send_part(web, id, text.text, text.len);
    sb_text_finish(&text);
    send_part(web, id, "", 0);
}

static void answer_error(sb__web *web, const sb_frame *id, const char *status)
{
    sb_text body = {0};
    sb_text_put(&body, "%s\nThere are / (the status page), /?format=json and /metrics.\n", status);
    if (!body.failed)
        answer(web, id, status, "text/plain", &body, false);
    sb_text_finish(&body);
}

static void answer_page(sb__web *web, const sb_frame *id, const page *p, bool head)
{
    sb_text body = {0};
    p->put(web->board, &body);
    if (!body.failed && body.len > 0)
        answer(web, id, "200 OK", p->type, &body, head);
    else
        answer_error(web, id, "500 Out of memory");
    sb_text_finish(&body);
}

/* A whole head, which ends in a NUL. */
static void take_request(sb__web *web, const sb_frame *id, const char *text)
{
    char method[8], target[256];
    if (sscanf(text, "%7[A-Z] %255[^ \r\n] HTTP/1.", method, target) != 2) {
        answer_error(web, id, "400 Bad request");
        return;
    }
    const page *p = find_page(target);
    bool head = strcmp(method, "HEAD") == 0;
    if (!head && strcmp(method, "GET") != 0)
        answer_error(web, id, "405 Only GET and HEAD");
    else if (p == NULL)
        answer_error(web, id, "404 No such page");
    else
        answer_page(web, id, p, head);
}

/* ---- requests ---- */

static half *half_of(sb__web *web, uint64_t peer)
{
    half *unused = NULL;
    for (size_t i = 0; i < HALVES; i++) {
        if (web->halves[i].peer == peer)
            return &web->halves[i];
        if (web->halves[i].peer == 0)
            unused = &web->halves[i];
    }
    if (unused == NULL)
        unused = &web->halves[web->next++ % HALVES];
    unused->peer = peer;
    unused->len = 0;
    return unused;
}

static sb_err on_msg(sb_handler *self, sb_socket *sock, sb_peer *peer, sb_msg *msg)
{
    sb__web *web = (sb__web *)self;
    (void)sock;
    if (peer == NULL || msg->n != 2)
        return SB_OK;
    half *h = half_of(web, sb_peer_id(peer));
    size_t room = HEAD - 1 - h->len, len = msg->frames[1].len < room ? msg->frames[1].len : room;
    memcpy(h->text + h->len, msg->frames[1].data, len);
    h->len += len;
    h->text[h->len] = '\0';
    bool whole = strstr(h->text, "\r\n\r\n") != NULL;
    if (!whole && h->len < HEAD - 1 && strlen(h->text) == h->len)
        return SB_OK;
    h->peer = 0;
    if (whole)
        take_request(web, &msg->frames[0], h->text);
    else
        answer_error(web, &msg->frames[0], "400 Bad request");
    return SB_OK;
}

/* ---- those that say nothing, or do not read ---- */

static bool end_old(void *arg, sb_peer *peer)
{
    sb__web *web = arg;
    if (sb_peer_id(peer) <= web->last)
        sb_peer_kick(peer, "too slow");
    return true;
}

static bool note_last(void *arg, sb_peer *peer)
{
    sb__web *web = arg;
    if (sb_peer_id(peer) > web->last)
        web->last = sb_peer_id(peer);
    return true;
}

static void start_sweep(sb__web *web)
{
    sb_loop *loop = sb_engine_loop(sb_socket_engine(web->sock));
    sb_timer_start(loop, &web->sweep, sb_loop_now(loop) + PATIENCE);
}

static void on_sweep(sb_timer *timer)
{
    sb__web *web = (sb__web *)((char *)timer - offsetof(sb__web, sweep));
    sb_socket_each_peer(web->sock, end_old, web);
    sb_socket_each_peer(web->sock, note_last, web);
    start_sweep(web);
}

static void on_closed(sb_handler *self, sb_socket *sock)
{
    sb__web *web = (sb__web *)self;
    sb_timer_stop(sb_engine_loop(sb_socket_engine(sock)), &web->sweep);
    web->sock = NULL;
}

sb_err sb__web_create(
    sb_engine *engine, sb_board *board, const char *endpoint, char *err, size_t cap, sb__web **out)
{
    sb__web *web = calloc(1, sizeof *web);
    *out = web;
    if (web == NULL)
        return SB_ENOMEM;
    web->handler = (sb_handler){.on_msg = on_msg, .on_closed = on_closed};
    web->board = board;
    sb_timer_init(&web->sweep, on_sweep);
    sb_err code = sb_socket_create(engine, SB_STREAM, SB__WEB_SOCKET, &web->sock);
    if (code != SB_OK)
        return code;
    sb_socket_set_int(web->sock, SB_OPT_STREAM_NOTIFY, 0, NULL, 0);
    sb_socket_set_int(web->sock, SB_OPT_MAX_PEERS, CLIENTS, NULL, 0);
    sb_socket_set_handler(web->sock, &web->handler);
    code = sb_socket_bind(web->sock, endpoint, err, cap);
    if (code == SB_OK && board != NULL)
        start_sweep(web);
    return code;
}

void sb__web_destroy(sb__web *web)
{
    free(web);
}
