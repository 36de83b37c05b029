/* Which test proves an option: it names the option and looks at what it does. Before: options_page.c. */
#include "modules/standalone/compat.h"

#include <string.h>

static const struct {
    const char *test, *options; /* with blanks between */
} table[] = {
    {"unit.socket.options",
        "type rcvmore fd events thread_safe topics_count ipv4only metadata reconnect_stop "
        "immediate xpub_manual xpub_manual_last_value xsub_verbose_unsubscribe unsubscribe maxmsgsize"},
    {"unit.socket.option_acts",
        "affinity in_batch_size out_batch_size loopback_fastpath "
        "only_first_subscribe xpub_welcome_msg bindtodevice multicast_hops multicast_loop "
        "zap_enforce_domain rcvhwm_bytes sndhwm_bytes"},
    {"interop.details", "routing_id subscribe router_mandatory xpub_verbose probe_router router_handover "
                        "conflate strict sndhwm rcvhwm heartbeat_ivl heartbeat_timeout"},
    {"interop.matrix", "ipv6"},
    {"interop.ways",
        "sndbuf rcvbuf tcp_keepalive tcp_keepalive_cnt tcp_keepalive_idle tcp_keepalive_intvl tos "
        "connect_timeout tcp_maxrt priority busy_poll socks_proxy socks_username socks_password"},
    {"interop.delivery", "linger rcvtimeo sndtimeo"},
    {"interop.overload", "reconnect_ivl"},
    {"unit.library.plan", "backlog"},
    {"unit.socket.known_bugs", "reconnect_ivl_max heartbeat_ttl"},
    {"interop.stream", "last_endpoint router_raw stream_notify connect_routing_id"},
    {"interop.security",
        "mechanism plain_server plain_username plain_password curve_server curve_publickey "
        "curve_secretkey curve_serverkey zap_domain curve_keyfile curve_allow handshake_ivl"},
    {"unit.socket.resource_security", "allow_null"},
    {"unit.socket.security", "auth_timeout"},
    {"interop.requests", "req_correlate req_relaxed req_deadline req_resend"},
    {"unit.pattern.pubsub", "invert_matching xpub_verboser xpub_nodrop max_subscriptions"},
    {"unit.socket.adopt", "use_fd max_peers"},
    {"unit.socket.wss", "wss_key_pem wss_cert_pem wss_trust_pem wss_hostname wss_trust_system wss_key_file "
                        "wss_cert_file wss_trust_file"},
    {"interop.udp", "multicast_maxtpdu"},
    {"unit.socket.notify", "router_notify hello_msg disconnect_msg hiccup_msg"},
    {"unit.socket.limits",
        "max_frames max_message max_peers_per_address max_peers_per_identity max_handshakes accept_rate "
        "handshakes_per_turn "
        "max_handshake max_topic max_subscription_bytes"},
    {"interop.old", "zmtp_min"},
    {"lua.overload", "on_full message_ttl conflate_key conflate_prefix"},
    {"lua.pubsub", "retain_last retain_prefix retain_messages retain_bytes"},
    {"unit.socket.late", "confirm_subscriptions"},
    {"lua.balance", "balance balance_key weight"},
};

static bool has_word(const char *words, const char *word)
{
    size_t len = strlen(word);
    for (const char *p = words; (p = strstr(p, word)) != NULL; p++)
        if ((p == words || p[-1] == ' ') && (p[len] == ' ' || p[len] == '\0'))
            return true;
    return false;
}

const char *compat_option_test(const char *option)
{
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
        if (has_word(table[i].options, option))
            return table[i].test;
    return NULL;
}
