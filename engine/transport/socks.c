/* The client's half of a SOCKS5 conversation. Before: filter.c. After: filter.c, which then passes through.
 */
#include "engine/transport/socks.h"
#include "engine/transport/filter.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

enum { VERSION = 5, NO_AUTH = 0, PASSWORD = 2, CONNECT = 1, IPV4 = 1, NAME = 3, IPV6 = 4, LONGEST = 262 };

typedef struct socks socks;
/* A step takes one whole answer, of at least `need` octets; it may find that it needs more (SB_EAGAIN). */
typedef sb_err (*step)(socks *s);

struct socks {
    sb__filter base; /* first member */
    char *host, *username, *password;
    uint16_t port;
    step next;
    size_t need;
    uint8_t answer[LONGEST];
    size_t have;
};

static socks *of(sb__filter *f)
{
    return (socks *)f;
}

static sb_err fail(socks *s, const char *what)
{
    return sb__filter_why(&s->base, SB_EPROTO, "SOCKS5 proxy: %s", what);
}

static void expect(socks *s, size_t octets, step next)
{
    s->have = 0;
    s->need = octets;
    s->next = next;
}

/* ---- the answers, last first ---- */

static const char *const replies[] = {"", "general failure", "not allowed by its rules",
    "network unreachable", "host unreachable", "connection refused", "TTL expired", "command not supported",
    "address type not supported"};

/* VER REP RSV ATYP, then an address that nobody needs, of a length that its type tells. */
static sb_err on_reply(socks *s)
{
    const uint8_t *a = s->answer;
    size_t whole = a[3] == IPV4 ? 10 : a[3] == IPV6 ? 22 : 7u + a[4];
    if (a[0] != VERSION)
        return fail(s, "its answer is not SOCKS5");
    if (a[1] != 0)
        return fail(s, a[1] < sizeof replies / sizeof *replies ? replies[a[1]] : "unknown error");
    if (a[3] != IPV4 && a[3] != IPV6 && a[3] != NAME)
        return fail(s, "unknown address type in its answer");
    if (s->have < whole) {
        s->need = whole;
        return SB_EAGAIN;
    }
    s->base.through = true;
    return SB_OK;
}

static void put_address(socks *s)
{
    uint8_t address[16];
    bool v4 = inet_pton(AF_INET, s->host, address) == 1;
    bool v6 = !v4 && inet_pton(AF_INET6, s->host, address) == 1;
    uint8_t type = v4 ? IPV4 : v6 ? IPV6 : NAME, len = (uint8_t)strlen(s->host);
    sb__filter_put(&s->base, &type, 1);
    if (v4 || v6) {
        sb__filter_put(&s->base, address, v4 ? 4 : 16);
        return;
    }
    sb__filter_put(&s->base, &len, 1); /* the proxy looks the name up */
    sb__filter_put(&s->base, s->host, len);
}

static sb_err request(socks *s)
{
    sb__filter_put(&s->base, (uint8_t[]){VERSION, CONNECT, 0}, 3);
    put_address(s);
    sb__filter_put(&s->base, (uint8_t[]){(uint8_t)(s->port >> 8), (uint8_t)s->port}, 2);
    expect(s, 5, on_reply);
    return SB_OK;
}

static sb_err on_password(socks *s)
{
    return s->answer[1] == 0 ? request(s) : fail(s, "wrong socks_username or socks_password");
}

static void put_short(socks *s, const char *text)
{
    uint8_t len = (uint8_t)strlen(text);
    sb__filter_put(&s->base, &len, 1);
    sb__filter_put(&s->base, text, len);
}

static sb_err on_method(socks *s)
{
    if (s->answer[0] != VERSION)
        return fail(s, "its answer is not SOCKS5");
    if (s->answer[1] == NO_AUTH)
        return request(s);
    if (s->answer[1] != PASSWORD || s->username[0] == '\0')
        return fail(s, "it wants another authentication; set socks_username and socks_password");
    sb__filter_put(&s->base, (uint8_t[]){1}, 1);
    put_short(s, s->username);
    put_short(s, s->password);
    expect(s, 2, on_password);
    return SB_OK;
}

/* ---- the filter ---- */

static sb_err socks_start(sb__filter *f)
{
    socks *s = of(f);
    if (s->username[0] != '\0')
        sb__filter_put(f, (uint8_t[]){VERSION, 2, NO_AUTH, PASSWORD}, 4);
    else
        sb__filter_put(f, (uint8_t[]){VERSION, 1, NO_AUTH}, 3);
    expect(s, 2, on_method);
    return SB_OK;
}

static sb_err socks_read(sb__filter *f, const uint8_t *data, size_t len)
{
    socks *s = of(f);
    sb_err err = SB_OK;
    while (len > 0 && !f->through && err == SB_OK) {
        s->answer[s->have++] = *data++;
        len--;
        if (s->have == s->need)
            err = s->next(s);
        err = err == SB_EAGAIN ? SB_OK : err;
    }
    if (f->through)
        sb__filter_deliver(f, data, len);
    return err;
}

static sb_err socks_write(sb__filter *f, const struct iovec *iov, size_t n)
{
    (void)f, (void)iov, (void)n;
    return SB_EAGAIN; /* until it passes through */
}

static void socks_ended(sb__filter *f)
{
    sb__filter_why(f, SB_ECLOSED, "the SOCKS5 proxy closed the connection");
}

static void socks_free(sb__filter *f)
{
    socks *s = of(f);
    free(s->host);
    free(s->username);
    free(s->password);
    free(s);
}

static const sb__filter_impl socks_impl = {
    .start = socks_start,
    .read = socks_read,
    .write = socks_write,
    .ended = socks_ended,
    .free = socks_free,
};

static char *copy(const char *text)
{
    return strndup(text != NULL ? text : "", 255);
}

sb_err sb__socks_wrap(sb__hub *hub, sb_stream *below, const sb__socks_config *cfg, sb_stream **out)
{
    socks *s = calloc(1, sizeof *s);
    if (s == NULL)
        return SB_ENOMEM;
    s->host = copy(cfg->host);
    s->username = copy(cfg->username);
    s->password = copy(cfg->password);
    s->port = cfg->port;
    if (s->host == NULL || s->username == NULL || s->password == NULL) {
        socks_free(&s->base);
        return SB_ENOMEM;
    }
    sb__filter_init(&s->base, &socks_impl, hub, below);
    *out = &s->base.base;
    return SB_OK;
}
