/* Names become addresses: c-ares on the loop's own watches and one timer, no threads. Used by uring and uv
 * alike.
 *
 * A channel lives only while look-ups are open: the next one reads resolv.conf and hosts anew. c-ares may
 * answer from inside the call that asks, so results are kept and told by a timer, in a later turn. */
#include "backends/shared.h"

#include <ares.h>
#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct lookup {
    struct lookup *next, **prev_next; /* in resolver.open or resolver.done */
    sb__resolver *r;
    sb_lookup *lk; /* NULL: cancelled */
    sb_err err;
    uint16_t port;
    size_t n;
    sb_addr *addrs;
};

struct watch {
    sb_watch base;
    sb__resolver *r;
    struct watch *next;
};

struct sb__resolver {
    sb_loop *loop;
    ares_channel channel; /* NULL between bursts of look-ups */
    struct watch *watches;
    struct lookup *open, *done;
    struct lookup **done_tail;
    size_t asked;        /* c-ares owes an answer to so many */
    size_t ndone;        /* in done */
    size_t live;         /* look-ups that will be told */
    sb_timer tell_timer; /* tells what is done */
    sb_timer ares_timer; /* c-ares' own retransmissions */
};

#define FROM_MEMBER(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))

/* ---- Look-ups in lists ---- */

static void lookup_unlink(struct lookup *look)
{
    *look->prev_next = look->next;
    if (look->next != NULL)
        look->next->prev_next = look->prev_next;
    else if (look->r->done_tail == &look->next)
        look->r->done_tail = look->prev_next;
}

static void lookup_open(sb__resolver *r, struct lookup *look)
{
    look->next = r->open;
    look->prev_next = &r->open;
    if (r->open != NULL)
        r->open->prev_next = &look->next;
    r->open = look;
}

static void lookup_free(struct lookup *look)
{
    free(look->addrs);
    free(look);
}

static void lookup_forget(struct lookup *look)
{
    if (look->lk == NULL)
        return;
    look->lk->state = NULL;
    look->lk = NULL;
    look->r->live--;
}

/* From open to the end of done; the telling is for later. Without a timer (out of memory) it is told late,
 * with the next one, but never lost: destroy frees it. */
static void lookup_finish(struct lookup *look, sb_err err)
{
    sb__resolver *r = look->r;
    lookup_unlink(look);
    look->err = look->n > 0 ? SB_OK : err != SB_OK ? err : SB_ENOENT;
    look->next = NULL;
    look->prev_next = r->done_tail;
    *r->done_tail = look;
    r->done_tail = &look->next;
    r->ndone++;
    (void)sb_timer_start(r->loop, &r->tell_timer, 0);
}

/* ---- Addresses ---- */

static bool addr_copy(sb_addr *out, const struct sockaddr *sa, socklen_t len, uint16_t port)
{
    if ((sa->sa_family != AF_INET && sa->sa_family != AF_INET6) || len > sizeof out->ss)
        return false;
    memset(out, 0, sizeof *out);
    memcpy(&out->ss, sa, len);
    out->len = len;
    if (sa->sa_family == AF_INET)
        ((struct sockaddr_in *)&out->ss)->sin_port = htons(port);
    else
        ((struct sockaddr_in6 *)&out->ss)->sin6_port = htons(port);
    return true;
}

static sb_err keep_answer(struct lookup *look, const struct ares_addrinfo *answer)
{
    size_t n = 0;
    for (const struct ares_addrinfo_node *node = answer->nodes; node != NULL; node = node->ai_next)
        n++;
    look->addrs = calloc(n > 0 ? n : 1, sizeof *look->addrs);
    if (look->addrs == NULL)
        return SB_ENOMEM;
    for (const struct ares_addrinfo_node *node = answer->nodes; node != NULL; node = node->ai_next)
        look->n += addr_copy(&look->addrs[look->n], node->ai_addr, node->ai_addrlen, look->port);
    return SB_OK;
}

/* getaddrinfo never blocks with AI_NUMERICHOST, and it knows scopes (fe80::1%eth0). */
static bool keep_numeric(struct lookup *look, const char *host, int family)
{
    struct addrinfo hints = {.ai_family = family, .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST};
    struct addrinfo *found = NULL;
    if (getaddrinfo(host, NULL, &hints, &found) != 0)
        return false;
    look->addrs = calloc(1, sizeof *look->addrs);
    if (look->addrs != NULL)
        look->n = addr_copy(look->addrs, found->ai_addr, found->ai_addrlen, look->port);
    freeaddrinfo(found);
    return true;
}

/* A numeric host of the other family is an answer too: there is none. */
static bool is_numeric(const char *host)
{
    uint8_t raw[16];
    return inet_pton(AF_INET, host, raw) == 1 || strchr(host, ':') != NULL;
}

/* ---- c-ares ---- */

static const struct {
    int status;
    sb_err err;
} from_ares[] = {
    {ARES_SUCCESS, SB_OK},
    {ARES_ENODATA, SB_ENOENT},
    {ARES_ENOTFOUND, SB_ENOENT},
    {ARES_ENONAME, SB_ENOENT},
    {ARES_EBADNAME, SB_ENOENT},
    {ARES_ETIMEOUT, SB_ETIMEDOUT},
    {ARES_ECONNREFUSED, SB_ECONNREFUSED},
    {ARES_ENOMEM, SB_ENOMEM},
    {ARES_ECANCELLED, SB_ECANCELED},
    {ARES_EDESTRUCTION, SB_ECANCELED},
};

static sb_err err_from_ares(int status)
{
    for (size_t i = 0; i < sizeof from_ares / sizeof *from_ares; i++)
        if (from_ares[i].status == status)
            return from_ares[i].err;
    return SB_EIO;
}

static void handle_answer(void *arg, int status, int timeouts, struct ares_addrinfo *answer)
{
    struct lookup *look = arg;
    (void)timeouts;
    look->r->asked--;
    sb_err err = err_from_ares(status);
    if (err == SB_OK && answer != NULL && look->lk != NULL)
        err = keep_answer(look, answer);
    if (answer != NULL)
        ares_freeaddrinfo(answer);
    lookup_finish(look, err);
}

static void set_ares_timer(sb__resolver *r)
{
    struct timeval tv;
    if (r->channel == NULL || ares_timeout(r->channel, NULL, &tv) == NULL) {
        sb_timer_stop(r->loop, &r->ares_timer);
        return;
    }
    uint64_t ns = (uint64_t)tv.tv_sec * SB_NS_PER_S + (uint64_t)tv.tv_usec * 1000;
    (void)sb_timer_start(r->loop, &r->ares_timer, sb_loop_now(r->loop) + ns);
}

static void handle_ready(sb_watch *w, bool readable, bool writable)
{
    struct watch *watch = (struct watch *)w;
    sb__resolver *r = watch->r;
    int fd = w->fd;
    /* c-ares may close this socket in here: the watch is gone afterwards. */
    ares_process_fd(r->channel, readable ? fd : ARES_SOCKET_BAD, writable ? fd : ARES_SOCKET_BAD);
    set_ares_timer(r);
}

static void handle_ares_timer(sb_timer *timer)
{
    sb__resolver *r = FROM_MEMBER(timer, sb__resolver, ares_timer);
    ares_process_fd(r->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
    set_ares_timer(r);
}

static struct watch **find_watch(sb__resolver *r, int fd)
{
    struct watch **at = &r->watches;
    while (*at != NULL && (*at)->base.fd != fd)
        at = &(*at)->next;
    return at;
}

static void drop_watch(sb__resolver *r, struct watch **at)
{
    struct watch *watch = *at;
    if (watch == NULL)
        return;
    *at = watch->next;
    sb_watch_stop(r->loop, &watch->base);
    free(watch);
}

static struct watch *add_watch(sb__resolver *r, int fd)
{
    struct watch *watch = calloc(1, sizeof *watch);
    if (watch == NULL)
        return NULL;
    watch->base = (sb_watch){.on_ready = handle_ready, .fd = fd};
    watch->r = r;
    watch->next = r->watches;
    r->watches = watch;
    return watch;
}

/* A watch that cannot be made leaves its query to c-ares' own timeout. */
static void handle_sock_state(void *arg, ares_socket_t fd, int readable, int writable)
{
    sb__resolver *r = arg;
    struct watch **at = find_watch(r, fd);
    if (!readable && !writable) {
        drop_watch(r, at);
        return;
    }
    struct watch *watch = *at != NULL ? *at : add_watch(r, fd);
    if (watch != NULL)
        (void)sb_watch_start(r->loop, &watch->base, readable != 0, writable != 0);
}

static sb_err open_channel(sb__resolver *r)
{
    if (r->channel != NULL)
        return SB_OK;
    struct ares_options options = {
        .timeout = 2000, .tries = 3, .sock_state_cb = handle_sock_state, .sock_state_cb_data = r};
    int mask = ARES_OPT_SOCK_STATE_CB | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES;
    int status = ares_init_options(&r->channel, &options, mask);
    if (status != ARES_SUCCESS)
        r->channel = NULL;
    return err_from_ares(status);
}

static void close_channel(sb__resolver *r)
{
    sb_timer_stop(r->loop, &r->ares_timer);
    if (r->channel != NULL)
        ares_destroy(r->channel);
    r->channel = NULL;
    assert(r->asked == 0 && "ares_destroy answers every query");
    while (r->watches != NULL)
        drop_watch(r, &r->watches);
}

/* ---- Telling ---- */

static void tell(struct lookup *look)
{
    sb_lookup *lk = look->lk;
    lookup_unlink(look);
    look->r->ndone--;
    lookup_forget(look);
    if (lk != NULL)
        lk->on_done(lk, look->err, look->addrs, look->n);
    lookup_free(look);
}

static void handle_tell(sb_timer *timer)
{
    sb__resolver *r = FROM_MEMBER(timer, sb__resolver, tell_timer);
    /* What a callback asks for is told in a turn of its own. */
    for (size_t n = r->ndone; n > 0; n--)
        tell(r->done);
    if (r->asked == 0)
        close_channel(r);
}

/* ---- The way in ---- */

static sb__resolver *resolver_create(sb_loop *loop)
{
    sb__resolver *r = calloc(1, sizeof *r);
    if (r == NULL)
        return NULL;
    r->loop = loop;
    r->done_tail = &r->done;
    sb_timer_init(&r->tell_timer, handle_tell);
    sb_timer_init(&r->ares_timer, handle_ares_timer);
    return r;
}

static sb_err ask(struct lookup *look, const char *host, int family)
{
    sb__resolver *r = look->r;
    sb_err err = open_channel(r);
    if (err != SB_OK)
        return err;
    struct ares_addrinfo_hints hints = {.ai_family = family, .ai_socktype = SOCK_STREAM};
    r->asked++;
    ares_getaddrinfo(r->channel, host, NULL, &hints, handle_answer, look);
    set_ares_timer(r);
    return SB_OK;
}

sb_err sb__resolver_start(
    sb__resolver **slot, sb_loop *loop, const char *host, uint16_t port, int family, sb_lookup *lk)
{
    if (*slot == NULL && (*slot = resolver_create(loop)) == NULL)
        return SB_ENOMEM;
    struct lookup *look = calloc(1, sizeof *look);
    if (look == NULL)
        return SB_ENOMEM;
    *look = (struct lookup){.r = *slot, .lk = lk, .port = port};
    lookup_open(*slot, look);
    lk->state = look;
    (*slot)->live++;
    sb_err err = SB_OK;
    if (strcasecmp(host, "localhost") == 0) /* known without asking anybody (RFC 6761, 6.3) */
        host = family == AF_INET6 ? "::1" : "127.0.0.1";
    if (keep_numeric(look, host, family) || is_numeric(host))
        lookup_finish(look, SB_ENOENT);
    else if ((err = ask(look, host, family)) != SB_OK)
        lookup_finish(look, err);
    return SB_OK;
}

void sb__resolver_cancel(sb__resolver *r, sb_lookup *lk)
{
    if (r == NULL || lk->state == NULL)
        return;
    lookup_forget(lk->state);
    /* What nobody waits for must not keep sockets open; c-ares answers all with ARES_ECANCELLED at once. */
    if (r->live == 0 && r->channel != NULL)
        ares_cancel(r->channel);
}

bool sb__resolver_busy(const sb__resolver *r)
{
    return r != NULL && r->live > 0;
}

static void drop_all(struct lookup *list)
{
    while (list != NULL) {
        struct lookup *look = list;
        list = look->next;
        lookup_unlink(look);
        lookup_forget(look);
        lookup_free(look);
    }
}

void sb__resolver_destroy(sb__resolver *r)
{
    if (r == NULL)
        return;
    close_channel(r);
    drop_all(r->done);
    drop_all(r->open);
    sb_timer_stop(r->loop, &r->tell_timer);
    free(r);
}
