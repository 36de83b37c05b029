/* The values of a socket's options, and what sessions and kernel sockets are told of them.
 * The table itself is in options.c. */
#include "engine/socket/internal.h"
#include "engine/base/secret.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static size_t index_of(sb_opt opt)
{
    size_t n;
    const sb_opt_row *table = sb_option_table(&n);
    return (size_t)(sb_option_get(opt) - table);
}

/* Options read for every message have a fixed place; the rest is looked up. */
int64_t sb__opt(const sb_socket *sock, sb_opt opt)
{
    return sock->numbers[index_of(opt)];
}

const sb__blob *sb__opt_bytes(const sb_socket *sock, sb_opt opt)
{
    return &sock->strings[index_of(opt)];
}

/* Copies into what the hot path and the patterns read. */
static void publish(sb_socket *sock)
{
    sb__pattern_options *p = &sock->popts;
    const sb__blob *welcome = sb__opt_bytes(sock, SB_OPT_XPUB_WELCOME_MSG);
    const sb__blob *id = sb__opt_bytes(sock, SB_OPT_CONNECT_ROUTING_ID);
    p->router_mandatory = sb__opt(sock, SB_OPT_ROUTER_MANDATORY);
    p->router_raw = sb__opt(sock, SB_OPT_ROUTER_RAW);
    p->router_handover = sb__opt(sock, SB_OPT_ROUTER_HANDOVER);
    p->probe_router = sb__opt(sock, SB_OPT_PROBE_ROUTER);
    p->req_relaxed = sb__opt(sock, SB_OPT_REQ_RELAXED);
    p->req_correlate = sb__opt(sock, SB_OPT_REQ_CORRELATE);
    p->xpub_verbose = sb__opt(sock, SB_OPT_XPUB_VERBOSE);
    p->xpub_verboser = sb__opt(sock, SB_OPT_XPUB_VERBOSER);
    p->xpub_manual_last = sb__opt(sock, SB_OPT_XPUB_MANUAL_LAST_VALUE);
    p->xpub_manual = p->xpub_manual_last || sb__opt(sock, SB_OPT_XPUB_MANUAL);
    p->xsub_verbose_unsubscribe = sb__opt(sock, SB_OPT_XSUB_VERBOSE_UNSUBSCRIBE);
    p->xpub_nodrop = sb__opt(sock, SB_OPT_XPUB_NODROP);
    p->invert_matching = sb__opt(sock, SB_OPT_INVERT_MATCHING);
    p->conflate = sb__opt(sock, SB_OPT_CONFLATE);
    p->max_subscriptions = (uint32_t)sb__opt(sock, SB_OPT_MAX_SUBSCRIPTIONS);
    p->max_subscription_bytes = (uint64_t)sb__opt(sock, SB_OPT_MAX_SUBSCRIPTION_BYTES);
    p->on_full = (sb_on_full)sb__opt(sock, SB_OPT_ON_FULL);
    p->xpub_nodrop = p->xpub_nodrop || p->on_full == SB_ON_FULL_BLOCK;
    p->stage.ttl = (uint64_t)sb__opt(sock, SB_OPT_MESSAGE_TTL) * SB_NS_PER_MS;
    p->stage.key = p->conflate ? SB__STAGE_ONE : (uint32_t)sb__opt(sock, SB_OPT_CONFLATE_KEY);
    p->stage.prefix = (uint32_t)sb__opt(sock, SB_OPT_CONFLATE_PREFIX);
    p->req_deadline = (uint64_t)sb__opt(sock, SB_OPT_REQ_DEADLINE) * SB_NS_PER_MS;
    p->req_resend = (uint64_t)sb__opt(sock, SB_OPT_REQ_RESEND) * SB_NS_PER_MS;
    p->balance = (sb_balance)sb__opt(sock, SB_OPT_BALANCE);
    p->balance_key = (uint32_t)sb__opt(sock, SB_OPT_BALANCE_KEY);
    p->retain.last = (uint32_t)sb__opt(sock, SB_OPT_RETAIN_LAST);
    p->retain.prefix = (uint32_t)sb__opt(sock, SB_OPT_RETAIN_PREFIX);
    p->retain.messages = (uint32_t)sb__opt(sock, SB_OPT_RETAIN_MESSAGES);
    p->retain.bytes = (uint64_t)sb__opt(sock, SB_OPT_RETAIN_BYTES);
    p->welcome = welcome->data;
    p->welcome_len = welcome->len;
    p->connect_routing_id = id->data;
    p->connect_routing_id_len = id->len;
}

int sb__take_fd(sb_socket *sock)
{
    int64_t *slot = &sock->numbers[index_of(SB_OPT_USE_FD)];
    int fd = (int)*slot;
    *slot = -1;
    return fd;
}

static void drop(const sb_opt_row *row, sb__blob *slot)
{
    if (row->secret)
        sb__secret_free(slot->data, slot->len + 1);
    else
        free(slot->data);
    *slot = (sb__blob){NULL, 0};
}

void sb__opt_clear(sb_socket *sock, sb_opt opt)
{
    sb__blob *slot = &sock->strings[index_of(opt)];
    free(slot->data);
    *slot = (sb__blob){NULL, 0};
    publish(sock);
}

void sb__options_init(sb_socket *sock)
{
    size_t n;
    const sb_opt_row *table = sb_option_table(&n);
    assert(n <= SB__OPTIONS && "room for every row");
    for (size_t i = 0; i < n; i++)
        sock->numbers[i] = table[i].kind == SB_OPT_BYTES ? 0 : table[i].def;
    sock->popts.random = sb__hub_random(&sock->engine->hub);
    if (sock->engine->workers > 1) /* of a team each gives routing ids of its own */
        sock->popts.random = (sock->popts.random & 0xffffff) | sock->engine->worker << 24;
    publish(sock);
}

void sb__options_finish(sb_socket *sock)
{
    size_t n;
    const sb_opt_row *table = sb_option_table(&n);
    for (size_t i = 0; i < n; i++)
        drop(&table[i], &sock->strings[i]);
    free(sock->allowed);
    sb__metadata_finish(sock);
}

static sb_err say(char *err, size_t cap, sb_err code, const char *fmt, const char *name, const char *more)
{
    if (err != NULL && cap > 0)
        snprintf(err, cap, fmt, name, more);
    return code;
}

static sb_err check_row(const sb_socket *sock, const sb_opt_row *row, bool bytes, char *err, size_t cap)
{
    if (row == NULL)
        return say(err, cap, SB_EINVAL, "unknown option%s%s", "", "");
    if (!row->settable)
        return say(err, cap, SB_EINVAL, "option %s%s can only be read", row->name, "");
    if (row->types != 0 && (row->types & SB_TYPE_BIT(sock->type)) == 0)
        return say(err, cap, SB_ENOTSUP, "option %s does not apply to %s sockets", row->name,
            sb_type_name(sock->type));
    if (bytes != (row->kind == SB_OPT_BYTES))
        return say(err, cap, SB_EINVAL, "option %s takes a %s", row->name, bytes ? "number" : "string");
    return SB_OK;
}

static void set_limits(sb_socket *sock)
{
    SB_LIST_EACH(n, &sock->peers)
    {
        sb_peer *peer = SB_LIST_ENTRY(n, sb_peer, peers);
        peer->out.hwm_msgs = (uint32_t)sb__opt(sock, SB_OPT_SNDHWM);
        peer->out.hwm_bytes = (uint64_t)sb__opt(sock, SB_OPT_SNDHWM_BYTES);
        peer->in.hwm_msgs = (uint32_t)sb__opt(sock, SB_OPT_RCVHWM);
        peer->in.hwm_bytes = (uint64_t)sb__opt(sock, SB_OPT_RCVHWM_BYTES);
        peer->confirms = sb__opt(sock, SB_OPT_CONFIRM_SUBSCRIPTIONS);
        sb__overload_peer(peer); /* without memory the peer goes on as before */
        sb__overload_again(peer);
    }
}

sb_err sb_socket_set_int(sb_socket *sock, sb_opt opt, int64_t value, char *err, size_t cap)
{
    const sb_opt_row *row = sb_option_get(opt);
    sb_err code = check_row(sock, row, false, err, cap);
    if (code != SB_OK)
        return code;
    if (value < row->min || value > row->max) {
        char range[96];
        snprintf(range, sizeof range, "%lld, expected %lld to %lld", (long long)value, (long long)row->min,
            (long long)row->max);
        return say(err, cap, SB_EINVAL, "option %s cannot be %s", row->name, range);
    }
    bool drops = value == SB_ON_FULL_DROP_NEW || value == SB_ON_FULL_DROP_OLD;
    if (opt == SB_OPT_ON_FULL && sock->type == SB_STREAM && drops)
        return say(err, cap, SB_EINVAL,
            "option %s of a STREAM socket cannot be %s: octets in the middle would be missing", row->name,
            row->choices[value]);
    if (opt == SB_OPT_IPV4ONLY)
        sock->numbers[index_of(SB_OPT_IPV6)] = !value;
    else
        sock->numbers[index_of(opt)] = value;
    publish(sock);
    set_limits(sock);
    if (sock->pattern->impl->option != NULL)
        sock->pattern->impl->option(sock->pattern, opt);
    return SB_OK;
}

static sb_err check_bytes(const sb_opt_row *row, const uint8_t *value, size_t len, char *err, size_t cap)
{
    char range[96];
    if ((int64_t)len < row->min || (int64_t)len > row->max) {
        snprintf(range, sizeof range, "%zu octets long, expected %lld to %lld", len, (long long)row->min,
            (long long)row->max);
        return say(err, cap, SB_EINVAL, "option %s cannot be %s", row->name, range);
    }
    bool id = row->opt == SB_OPT_ROUTING_ID || row->opt == SB_OPT_CONNECT_ROUTING_ID;
    if (id && value[0] == 0) /* RFC 28: octet 0 begins the ids that routers make themselves */
        return say(err, cap, SB_EINVAL, "option %s must not begin with %s", row->name, "a NUL octet");
    return SB_OK;
}

static sb_err copy_bytes(
    const sb_opt_row *row, const uint8_t *value, size_t len, sb__blob *out, char *err, size_t cap)
{
    uint8_t *copy = row->secret ? sb__secret_alloc(len + 1) : malloc(len + 1);
    if (copy == NULL)
        return say(err, cap, SB_ENOMEM, "%s%s", "out of memory", "");
    if (len > 0)
        memcpy(copy, value, len);
    copy[len] = '\0';
    *out = (sb__blob){copy, len};
    return SB_OK;
}

static sb_err load_keys(sb_socket *sock, const char *path, char *err, size_t cap)
{
    sb__blob keys;
    sb_err code = sb__keys_load(sock, path, &keys, err, cap);
    if (code != SB_OK)
        return code;
    sb__blob *slot = &sock->strings[index_of(SB_OPT_CURVE_SECRETKEY)];
    drop(sb_option_get(SB_OPT_CURVE_SECRETKEY), slot);
    *slot = keys;
    return SB_OK;
}

sb_err sb_socket_set_bytes(sb_socket *sock, sb_opt opt, const void *value, size_t len, char *err, size_t cap)
{
    const sb_opt_row *row = sb_option_get(opt);
    sb_err code = check_row(sock, row, true, err, cap);
    if (code == SB_OK)
        code = check_bytes(row, value, len, err, cap);
    if (code != SB_OK)
        return code;
    if (opt == SB_OPT_SUBSCRIBE)
        return sb_socket_subscribe(sock, value, len);
    if (opt == SB_OPT_UNSUBSCRIBE)
        return sb_socket_unsubscribe(sock, value, len);
    if (opt == SB_OPT_METADATA)
        return sb__metadata_add(sock, &sock->strings[index_of(opt)], value, len, err, cap);
    sb__blob *slot = &sock->strings[index_of(opt)], stored = {NULL, 0};
    code = sb__security_is_key(opt) ? sb__security_parse(row, value, len, &stored, err, cap)
                                    : copy_bytes(row, value, len, &stored, err, cap);
    if (code == SB_OK && opt == SB_OPT_CURVE_KEYFILE)
        code = load_keys(sock, (const char *)stored.data, err, cap);
    if (code == SB_OK && opt == SB_OPT_CURVE_ALLOW)
        code = sb__keys_allow(sock, (const char *)stored.data, err, cap);
    if (code != SB_OK) {
        drop(row, &stored);
        return code;
    }
    drop(row, slot);
    *slot = stored;
    publish(sock);
    if (sock->pattern->impl->option != NULL)
        sock->pattern->impl->option(sock->pattern, opt);
    return SB_OK;
}

sb_err sb_socket_get_int(const sb_socket *sock, sb_opt opt, int64_t *value)
{
    const sb_opt_row *row = sb_option_get(opt);
    if (row == NULL || row->kind == SB_OPT_BYTES || !row->gettable)
        return SB_EINVAL;
    if (row->types != 0 && (row->types & SB_TYPE_BIT(sock->type)) == 0)
        return SB_ENOTSUP;
    if (!sb__opt_told(sock, opt, value))
        *value = sb__opt(sock, opt);
    return SB_OK;
}

sb_err sb_socket_get_bytes(const sb_socket *sock, sb_opt opt, void *value, size_t cap, size_t *len)
{
    const sb_opt_row *row = sb_option_get(opt);
    if (row == NULL || row->kind != SB_OPT_BYTES || !row->gettable)
        return SB_EINVAL;
    const char *last = sb_socket_last_endpoint(sock);
    sb__blob b =
        opt == SB_OPT_LAST_ENDPOINT ? (sb__blob){(uint8_t *)last, strlen(last)} : *sb__opt_bytes(sock, opt);
    char key[SB_CURVE_Z85 + 1];
    if (sb__security_is_key(opt))
        b = (sb__blob){(uint8_t *)key, sb__security_text(&b, key)};
    *len = b.len;
    if (b.len > 0 && cap > 0)
        memcpy(value, b.data, b.len < cap ? b.len : cap);
    return SB_OK;
}

static uint64_t ns(const sb_socket *sock, sb_opt opt)
{
    int64_t ms = sb__opt(sock, opt);
    return ms <= 0 ? 0 : (uint64_t)ms * SB_NS_PER_MS;
}

void sb__session_config(const sb_socket *sock, bool accepted, sb_session_config *out)
{
    const sb__blob *id = sb__opt_bytes(sock, SB_OPT_ROUTING_ID);
    *out = (sb_session_config){
        .type = sock->type,
        .raw = sb__is_raw(sock),
        .identity = id->data,
        .identity_len = (uint32_t)id->len,
        .handshake_ivl = ns(sock, SB_OPT_HANDSHAKE_IVL),
        .heartbeat_ivl = ns(sock, SB_OPT_HEARTBEAT_IVL),
        .heartbeat_timeout = ns(sock, SB_OPT_HEARTBEAT_TIMEOUT),
        .heartbeat_ttl = ns(sock, SB_OPT_HEARTBEAT_TTL),
        .max_frame = sb__opt(sock, SB_OPT_MAXMSGSIZE),
        .max_frames = (uint32_t)sb__opt(sock, SB_OPT_MAX_FRAMES),
        .max_message = (uint64_t)sb__opt(sock, SB_OPT_MAX_MESSAGE),
        .max_handshake = (uint32_t)sb__opt(sock, SB_OPT_MAX_HANDSHAKE),
        .max_topic = (uint32_t)sb__opt(sock, SB_OPT_MAX_TOPIC),
        .strict = sb__opt(sock, SB_OPT_STRICT),
        .oldest = (uint8_t)sb__opt(sock, SB_OPT_ZMTP_MIN),
    };
    out->metadata = sock->metadata;
    out->nmetadata = sock->nmetadata;
    sb__security_config(sock, accepted, &out->security);
}

void sb__sockopts(const sb_socket *sock, sb_sockopts *out)
{
    *out = (sb_sockopts){
        .sndbuf = (int)sb__opt(sock, SB_OPT_SNDBUF),
        .rcvbuf = (int)sb__opt(sock, SB_OPT_RCVBUF),
        .tos = (int)sb__opt(sock, SB_OPT_TOS),
        .priority = (int)sb__opt(sock, SB_OPT_PRIORITY),
        .busy_poll = (int)sb__opt(sock, SB_OPT_BUSY_POLL),
        .keepalive = (int)sb__opt(sock, SB_OPT_TCP_KEEPALIVE),
        .keepalive_idle = (int)sb__opt(sock, SB_OPT_TCP_KEEPALIVE_IDLE),
        .keepalive_cnt = (int)sb__opt(sock, SB_OPT_TCP_KEEPALIVE_CNT),
        .keepalive_intvl = (int)sb__opt(sock, SB_OPT_TCP_KEEPALIVE_INTVL),
        .maxrt_ms = (int)sb__opt(sock, SB_OPT_TCP_MAXRT),
        .backlog = (int)sb__opt(sock, SB_OPT_BACKLOG),
        .ipv6_dual = sb__opt(sock, SB_OPT_IPV6),
        .bind_device = (const char *)sb__opt_bytes(sock, SB_OPT_BINDTODEVICE)->data,
    };
}
