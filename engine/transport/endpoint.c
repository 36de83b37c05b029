/* Endpoints as text. Before: socket.c (bind, connect). After: listener.c, dialer.c, inproc.c. */
#include "engine/transport/endpoint.h"

#include "engine/socket.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include <linux/vm_sockets.h>

static sb_err fail(char *err, size_t cap, const char *text, const char *what)
{
    if (err != NULL && cap > 0)
        snprintf(err, cap, "%s: %s", text, what);
    return SB_EINVAL;
}

static bool parse_port(const char *text, uint16_t *port, bool *any)
{
    char *end;
    if (strcmp(text, "*") == 0) {
        *port = 0;
        *any = true;
        return true;
    }
    if (text[0] < '0' || text[0] > '9')
        return false;
    long value = strtol(text, &end, 10);
    if (*end != '\0' || value > 65535)
        return false;
    *port = (uint16_t)value;
    *any = value == 0;
    return true;
}

/* "HOST:PORT", "[V6]:PORT": false when there is no port or the host is too long. */
static bool split_host(const char *text, size_t len, char *host, size_t cap, char *port, size_t port_cap)
{
    const char *colon = memrchr(text, ':', len);
    if (colon == NULL)
        return false;
    size_t hlen = (size_t)(colon - text), plen = len - hlen - 1;
    if (hlen >= 2 && text[0] == '[' && text[hlen - 1] == ']') {
        text++;
        hlen -= 2;
    }
    if (hlen == 0 || hlen >= cap || plen == 0 || plen >= port_cap)
        return false;
    memcpy(host, text, hlen);
    host[hlen] = '\0';
    memcpy(port, colon + 1, plen);
    port[plen] = '\0';
    return true;
}

static bool is_resource_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c != '\0' && strchr("$-_@.&+", c) != NULL);
}

/* Names between slashes, none empty (RFC 37 "The Resource Property"). */
static bool is_resource(const char *text)
{
    bool begun = false;
    for (; *text != '\0'; text++) {
        if (*text == '/' ? !begun : !is_resource_char(*text))
            return false;
        begun = *text != '/';
    }
    return begun;
}

static sb_err parse_address(const char *text, const char *rest, sb__endpoint *ep, char *err, size_t cap)
{
    char port[16];
    bool any;
    const char *semi = strchr(rest, ';');
    if (semi != NULL) {
        if (!split_host(
                rest, (size_t)(semi - rest), ep->source_host, sizeof ep->source_host, port, sizeof port) ||
            !parse_port(port, &ep->source_port, &any))
            return fail(err, cap, text, "bad source address, expected tcp://SOURCE:PORT;HOST:PORT");
        rest = semi + 1;
    }
    if (strchr(rest, ':') == NULL)
        return fail(err, cap, text, "port is missing, expected HOST:PORT");
    if (!split_host(rest, strlen(rest), ep->host, sizeof ep->host, port, sizeof port))
        return fail(err, cap, text, "bad host, expected HOST:PORT");
    if (!parse_port(port, &ep->port, &ep->any_port))
        return fail(err, cap, text, "bad port, expected 0 to 65535 or *");
    ep->any_host = strcmp(ep->host, "*") == 0;
    return SB_OK;
}

/* "HOST:PORT" or "HOST:PORT/RESOURCE". */
static sb_err parse_tcp(const char *text, const char *rest, sb__endpoint *ep, char *err, size_t cap)
{
    char address[640];
    const char *slash = strchr(rest, '/');
    if (slash == NULL)
        return parse_address(text, rest, ep, err, cap);
    if (strlen(slash + 1) >= sizeof ep->resource || !is_resource(slash + 1))
        return fail(
            err, cap, text, "bad resource, expected names of letters, digits and $-_@.&+ between slashes");
    snprintf(ep->resource, sizeof ep->resource, "%s", slash + 1);
    snprintf(address, sizeof address, "%.*s", (int)(slash - rest), rest);
    return parse_address(text, address, ep, err, cap);
}

/* "[IFACE;]HOST:PORT": the interface of a group. */
static sb_err parse_udp(const char *text, const char *rest, sb__endpoint *ep, char *err, size_t cap)
{
    const char *semi = strchr(rest, ';');
    size_t len = semi != NULL ? (size_t)(semi - rest) : 0;
    if (semi != NULL && (len == 0 || len >= sizeof ep->source_host))
        return fail(err, cap, text, "bad interface, expected udp://INTERFACE;GROUP:PORT");
    if (strchr(rest, ':') == NULL)
        return fail(err, cap, text, "port is missing, expected udp://HOST:PORT");
    sb_err code = parse_address(text, semi != NULL ? semi + 1 : rest, ep, err, cap);
    memcpy(ep->source_host, rest, len);
    ep->source_host[len] = '\0';
    return code;
}

/* "HOST:PORT/PATH"; without a path it is "/". */
static sb_err parse_ws(const char *text, const char *rest, sb__endpoint *ep, char *err, size_t cap)
{
    char where[sizeof ep->host + 16];
    const char *slash = strchr(rest, '/');
    size_t len = slash != NULL ? (size_t)(slash - rest) : strlen(rest);
    if (len >= sizeof where || (slash != NULL && strlen(slash) >= sizeof ep->path))
        return fail(err, cap, text, "too long, expected ws://HOST:PORT/PATH of 255 octets each");
    if (slash != NULL && strpbrk(slash, " ?#\r\n\t") != NULL)
        return fail(err, cap, text, "bad path, expected ws://HOST:PORT/PATH without spaces, ? and #");
    snprintf(where, sizeof where, "%.*s", (int)len, rest);
    snprintf(ep->path, sizeof ep->path, "%s", slash != NULL ? slash : "/");
    return parse_tcp(text, where, ep, err, cap);
}

static bool parse_u32(const char *text, uint32_t *out)
{
    char *end;
    if (text[0] < '0' || text[0] > '9')
        return false;
    unsigned long long value = strtoull(text, &end, 10);
    *out = (uint32_t)value;
    return *end == '\0' && value < UINT32_MAX;
}

static sb_err parse_vsock(const char *text, const char *rest, sb__endpoint *ep, char *err, size_t cap)
{
    char cid[16], port[16];
    if (!split_host(rest, strlen(rest), cid, sizeof cid, port, sizeof port))
        return fail(err, cap, text, "expected vsock://CID:PORT");
    ep->any_host = strcmp(cid, "*") == 0;
    ep->any_port = strcmp(port, "*") == 0;
    ep->cid = VMADDR_CID_ANY;
    ep->vport = VMADDR_PORT_ANY;
    if (!ep->any_host && !parse_u32(cid, &ep->cid))
        return fail(err, cap, text, "bad CID, expected a number (1 is this machine, 2 the host) or *");
    if (!ep->any_port && !parse_u32(port, &ep->vport))
        return fail(err, cap, text, "bad port, expected a number below 4294967295 or *");
    return SB_OK;
}

static sb_err parse_ipc(const char *text, const char *rest, sb__endpoint *ep, char *err, size_t cap)
{
    struct sockaddr_un un;
    ep->any_path = strcmp(rest, "*") == 0;
    ep->abstract = rest[0] == '@';
    rest += ep->abstract;
    if (rest[0] == '\0')
        return fail(err, cap, text, "path is missing, expected ipc://PATH or ipc://@NAME");
    if (strlen(rest) >= sizeof un.sun_path)
        return fail(err, cap, text, "path is too long for a unix socket (107 octets)");
    snprintf(ep->name, sizeof ep->name, "%s", rest);
    return SB_OK;
}

static sb_err parse_inproc(const char *text, const char *rest, sb__endpoint *ep, char *err, size_t cap)
{
    if (rest[0] == '\0' || strlen(rest) >= sizeof ep->name)
        return fail(err, cap, text, "expected inproc://NAME of 1 to 255 octets");
    snprintf(ep->name, sizeof ep->name, "%s", rest);
    return SB_OK;
}

typedef struct scheme {
    const char *prefix;
    sb__endpoint_kind kind;
    sb_err (*parse)(const char *text, const char *rest, sb__endpoint *ep, char *err, size_t cap);
} scheme;

static const scheme schemes[] = {
    {"tcp://", SB__ENDPOINT_TCP, parse_tcp},
    {"ipc://", SB__ENDPOINT_IPC, parse_ipc},
    {"inproc://", SB__ENDPOINT_INPROC, parse_inproc},
    {"udp://", SB__ENDPOINT_UDP, parse_udp},
    {"ws://", SB__ENDPOINT_WS, parse_ws},
    {"wss://", SB__ENDPOINT_WSS, parse_ws},
    {"vsock://", SB__ENDPOINT_VSOCK, parse_vsock},
};

const char *sb_transport_scheme(size_t i)
{
    return i < sizeof schemes / sizeof schemes[0] ? schemes[i].prefix : NULL;
}

sb_err sb__endpoint_parse(const char *text, sb__endpoint *out, char *err, size_t cap)
{
    memset(out, 0, sizeof *out);
    for (size_t i = 0; i < sizeof schemes / sizeof schemes[0]; i++) {
        size_t len = strlen(schemes[i].prefix);
        if (strncmp(text, schemes[i].prefix, len) != 0)
            continue;
        out->kind = schemes[i].kind;
        return schemes[i].parse(text, text + len, out, err, cap);
    }
    return fail(err, cap, text,
        "unknown transport, expected tcp://, ipc://, inproc://, udp://, ws://, wss:// or vsock://");
}

static void format_unix(const struct sockaddr_un *un, socklen_t len, char *out, size_t cap)
{
    size_t off = offsetof(struct sockaddr_un, sun_path);
    int n = len > off ? (int)(len - off) : 0;
    if (n == 0)
        snprintf(out, cap, "%s", "");
    else if (un->sun_path[0] == '\0')
        snprintf(out, cap, "ipc://@%.*s", n - 1, un->sun_path + 1);
    else
        snprintf(out, cap, "ipc://%.*s", n, un->sun_path);
}

/* The numbers that stand for any are no endpoint's: they are written as they are read. */
static const char *format_number(uint32_t number, uint32_t any, char out[16])
{
    snprintf(out, 16, "%u", number);
    return number == any ? "*" : out;
}

static void format_vsock(const struct sockaddr_vm *vm, char *out, size_t cap)
{
    char cid[16], port[16];
    snprintf(out, cap, "vsock://%s:%s", format_number(vm->svm_cid, VMADDR_CID_ANY, cid),
        format_number(vm->svm_port, VMADDR_PORT_ANY, port));
}

void sb__endpoint_format(const sb_addr *addr, char *out, size_t cap)
{
    char host[INET6_ADDRSTRLEN];
    out[0] = '\0';
    if (addr->ss.ss_family == AF_INET) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)&addr->ss;
        inet_ntop(AF_INET, &in->sin_addr, host, sizeof host);
        snprintf(out, cap, "tcp://%s:%u", host, ntohs(in->sin_port));
    } else if (addr->ss.ss_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)&addr->ss;
        inet_ntop(AF_INET6, &in6->sin6_addr, host, sizeof host);
        snprintf(out, cap, "tcp://[%s]:%u", host, ntohs(in6->sin6_port));
    } else if (addr->ss.ss_family == AF_UNIX) {
        format_unix((const struct sockaddr_un *)&addr->ss, addr->len, out, cap);
    } else if (addr->ss.ss_family == AF_VSOCK) {
        format_vsock((const struct sockaddr_vm *)&addr->ss, out, cap);
    }
}

void sb__endpoint_resolved(const sb__endpoint *ep, const sb_addr *addr, char *out, size_t cap)
{
    char plain[128];
    sb__endpoint_format(addr, plain, sizeof plain);
    bool ws = ep->kind == SB__ENDPOINT_WS || ep->kind == SB__ENDPOINT_WSS;
    if (ws && strncmp(plain, "tcp", 3) == 0)
        snprintf(out, cap, "%s%s%s", ep->kind == SB__ENDPOINT_WS ? "ws" : "wss", plain + 3, ep->path);
    else
        snprintf(out, cap, "%s", plain);
}

static void set_port(sb_addr *addr, uint16_t port)
{
    if (addr->ss.ss_family == AF_INET)
        ((struct sockaddr_in *)&addr->ss)->sin_port = htons(port);
    else
        ((struct sockaddr_in6 *)&addr->ss)->sin6_port = htons(port);
}

static bool numeric(const char *host, bool ipv6, sb_addr *out)
{
    struct sockaddr_in *in = (struct sockaddr_in *)&out->ss;
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&out->ss;
    if (inet_pton(AF_INET, host, &in->sin_addr) == 1) {
        in->sin_family = AF_INET;
        out->len = sizeof *in;
        return true;
    }
    if (inet_pton(AF_INET6, host, &in6->sin6_addr) != 1)
        return false;
    (void)ipv6; /* a numeric IPv6 address says what is wanted, whatever the option */
    in6->sin6_family = AF_INET6;
    out->len = sizeof *in6;
    return true;
}

static bool of_interface(const char *name, bool ipv6, sb_addr *out)
{
    struct ifaddrs *list, *i;
    bool found = false;
    if (getifaddrs(&list) != 0)
        return false;
    for (i = list; i != NULL && !found; i = i->ifa_next) {
        int family = i->ifa_addr != NULL ? i->ifa_addr->sa_family : AF_UNSPEC;
        if (strcmp(i->ifa_name, name) != 0 || (family != AF_INET && !(ipv6 && family == AF_INET6)))
            continue;
        out->len = family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
        memcpy(&out->ss, i->ifa_addr, out->len);
        found = true;
    }
    freeifaddrs(list);
    return found;
}

sb_err sb__endpoint_local(const char *host, bool any, uint16_t port, bool ipv6, sb_addr *out)
{
    memset(out, 0, sizeof *out);
    if (any)
        host = ipv6 ? "::" : "0.0.0.0";
    else if (strcmp(host, "localhost") == 0)
        host = "127.0.0.1";
    if (!numeric(host, ipv6, out) && !of_interface(host, ipv6, out))
        return SB_EADDRNOTAVAIL;
    set_port(out, port);
    return SB_OK;
}

static sb_err unix_addr(const sb__endpoint *ep, sb_addr *out)
{
    struct sockaddr_un *un = (struct sockaddr_un *)&out->ss;
    size_t len = strlen(ep->name), off = offsetof(struct sockaddr_un, sun_path);
    memset(out, 0, sizeof *out);
    un->sun_family = AF_UNIX;
    memcpy(un->sun_path + ep->abstract, ep->name, len);
    out->len = (socklen_t)(off + ep->abstract + len + !ep->abstract);
    return SB_OK;
}

static sb_err vsock_addr(const sb__endpoint *ep, sb_addr *out)
{
    struct sockaddr_vm *vm = (struct sockaddr_vm *)&out->ss;
    memset(out, 0, sizeof *out);
    vm->svm_family = AF_VSOCK;
    vm->svm_cid = ep->cid;
    vm->svm_port = ep->vport;
    out->len = sizeof *vm;
    return SB_OK;
}

bool sb__endpoint_has_host(const sb__endpoint *ep)
{
    return ep->kind == SB__ENDPOINT_TCP || ep->kind == SB__ENDPOINT_WS || ep->kind == SB__ENDPOINT_WSS;
}

sb_err sb__endpoint_addr(const sb__endpoint *ep, bool ipv6, sb_addr *out)
{
    if (sb__endpoint_has_host(ep))
        return sb__endpoint_local(ep->host, ep->any_host, ep->port, ipv6, out);
    if (ep->kind == SB__ENDPOINT_IPC)
        return unix_addr(ep, out);
    return ep->kind == SB__ENDPOINT_VSOCK ? vsock_addr(ep, out) : SB_EINVAL;
}
