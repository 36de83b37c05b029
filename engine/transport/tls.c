/* TLS through OpenSSL with memory BIOs: records from below, octets to above, and back.
 * Before: filter.c. After: filter.c. */
#include "engine/transport/tls.h"
#include "engine/transport/filter.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RECORD 16384 /* octets of plain text in one record at most */

struct sb__tls {
    SSL_CTX *ctx;
    bool as_server;
    char *hostname;
};

/* ---- configuration ---- */

/* Without it OpenSSL would ask for the password of an encrypted key on the terminal. */
static int no_password(char *buf, int size, int rwflag, void *user)
{
    (void)buf, (void)size, (void)rwflag, (void)user;
    return -1;
}

static sb_err say(char *err, size_t cap, const char *text)
{
    if (err != NULL && cap > 0)
        snprintf(err, cap, "%s", text);
    ERR_clear_error();
    return SB_EINVAL;
}

static BIO *reader(const char *pem)
{
    return BIO_new_mem_buf(pem, -1);
}

/* Calls `take` for every certificate of a text; it owns what it returns true for. False when there is none,
 * or one is broken. */
static bool each_certificate(const char *pem, bool (*take)(SSL_CTX *ctx, X509 *cert, int i), SSL_CTX *ctx)
{
    BIO *in = reader(pem);
    X509 *cert;
    int n = 0;
    bool well = in != NULL;
    while (well && (cert = PEM_read_bio_X509(in, NULL, no_password, NULL)) != NULL) {
        well = take(ctx, cert, n++);
        if (!well)
            X509_free(cert);
    }
    well = well && n > 0 && ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE; /* the end */
    ERR_clear_error();
    BIO_free(in);
    return well;
}

static bool take_own(SSL_CTX *ctx, X509 *cert, int i)
{
    if (i > 0)
        return SSL_CTX_add0_chain_cert(ctx, cert) == 1;
    bool taken = SSL_CTX_use_certificate(ctx, cert) == 1; /* takes a reference of its own */
    if (taken)
        X509_free(cert);
    return taken;
}

static bool take_trusted(SSL_CTX *ctx, X509 *cert, int i)
{
    (void)i;
    bool taken =
        X509_STORE_add_cert(SSL_CTX_get_cert_store(ctx), cert) == 1 && SSL_CTX_add_client_CA(ctx, cert) == 1;
    if (taken)
        X509_free(cert);
    return taken;
}

static sb_err use_key(SSL_CTX *ctx, const char *pem, char *err, size_t cap)
{
    BIO *in = reader(pem);
    EVP_PKEY *key = in != NULL ? PEM_read_bio_PrivateKey(in, NULL, no_password, NULL) : NULL;
    bool used = key != NULL && SSL_CTX_use_PrivateKey(ctx, key) == 1;
    BIO_free(in);
    EVP_PKEY_free(key);
    if (key == NULL)
        return say(err, cap, "wss_key_pem is no unencrypted private key in PEM");
    return used ? SB_OK : say(err, cap, "wss_key_pem is not the key of wss_cert_pem");
}

static sb_err load_own(SSL_CTX *ctx, const sb__tls_config *cfg, char *err, size_t cap)
{
    if (cfg->key == NULL && cfg->cert == NULL && !cfg->as_server)
        return SB_OK;
    if (cfg->cert == NULL || cfg->key == NULL)
        return say(err, cap, "wss_cert_pem and wss_key_pem (or wss_cert_file and wss_key_file) are needed");
    if (!each_certificate(cfg->cert, take_own, ctx))
        return say(err, cap, "wss_cert_pem is no certificate in PEM");
    return use_key(ctx, cfg->key, err, cap);
}

static sb_err load_trust(SSL_CTX *ctx, const sb__tls_config *cfg, char *err, size_t cap)
{
    int verify = SSL_VERIFY_PEER | (cfg->as_server ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0);
    if (cfg->trust != NULL && !each_certificate(cfg->trust, take_trusted, ctx))
        return say(err, cap, "wss_trust_pem is no certificate in PEM");
    if (!cfg->as_server && cfg->trust == NULL && !cfg->trust_system)
        return say(err, cap,
            "whom to trust? set wss_trust_pem, wss_trust_file or wss_trust_system to connect to wss://");
    if (!cfg->as_server && cfg->trust_system)
        SSL_CTX_set_default_verify_paths(ctx);
    SSL_CTX_set_verify(ctx, cfg->as_server && cfg->trust == NULL ? SSL_VERIFY_NONE : verify, NULL);
    return SB_OK;
}

static sb_err set_up(sb__tls *tls, const sb__tls_config *cfg, char *err, size_t cap)
{
    static const unsigned char context[] = "signalbox";
    tls->as_server = cfg->as_server;
    tls->hostname = cfg->hostname != NULL ? strdup(cfg->hostname) : NULL;
    tls->ctx = SSL_CTX_new(cfg->as_server ? TLS_server_method() : TLS_client_method());
    if (tls->ctx == NULL || (cfg->hostname != NULL && tls->hostname == NULL))
        return SB_ENOMEM;
    SSL_CTX_set_min_proto_version(tls->ctx, TLS1_2_VERSION);
    SSL_CTX_set_options(tls->ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    SSL_CTX_set_mode(tls->ctx, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_session_cache_mode(tls->ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_session_id_context(tls->ctx, context, sizeof context - 1);
    sb_err code = load_own(tls->ctx, cfg, err, cap);
    return code == SB_OK ? load_trust(tls->ctx, cfg, err, cap) : code;
}

sb_err sb__tls_create(const sb__tls_config *cfg, char *err, size_t cap, sb__tls **out)
{
    sb__tls *tls = calloc(1, sizeof *tls);
    if (tls == NULL)
        return SB_ENOMEM;
    sb_err code = set_up(tls, cfg, err, cap);
    if (code == SB_OK)
        *out = tls;
    else
        sb__tls_free(tls);
    return code;
}

void sb__tls_free(sb__tls *tls)
{
    if (tls == NULL)
        return;
    SSL_CTX_free(tls->ctx);
    free(tls->hostname);
    free(tls);
}

/* ---- the filter ---- */

typedef struct tls_filter {
    sb__filter base; /* first member */
    SSL *ssl;
    bool open, closed;
    char subject[256];
} tls_filter;

static tls_filter *of(sb__filter *f)
{
    return (tls_filter *)f;
}

/* Records that OpenSSL has ready go down. */
static void put_records(tls_filter *t)
{
    BIO *out = SSL_get_wbio(t->ssl);
    char *data;
    long len = BIO_get_mem_data(out, &data);
    if (len > 0)
        sb__filter_put(&t->base, data, (size_t)len);
    (void)BIO_reset(out);
}

static sb_err failed(tls_filter *t)
{
    long verdict = SSL_get_verify_result(t->ssl);
    const char *reason = ERR_reason_error_string(ERR_peek_last_error());
    const char *more = verdict != X509_V_OK ? X509_verify_cert_error_string(verdict) : "";
    put_records(t); /* the alert */
    sb__filter_why(&t->base, SB_EPROTO, "TLS: %s%s%s", reason != NULL ? reason : "protocol error",
        more[0] != '\0' ? ": " : "", more);
    ERR_clear_error();
    return SB_EPROTO;
}

static void note_subject(tls_filter *t)
{
    X509 *cert = SSL_get1_peer_certificate(t->ssl);
    BIO *out = cert != NULL ? BIO_new(BIO_s_mem()) : NULL;
    if (out != NULL && SSL_get_verify_result(t->ssl) == X509_V_OK) {
        X509_NAME_print_ex(out, X509_get_subject_name(cert), 0, XN_FLAG_RFC2253);
        int n = BIO_read(out, t->subject, sizeof t->subject - 1);
        t->subject[n > 0 ? n : 0] = '\0';
    }
    BIO_free(out);
    X509_free(cert);
}

static sb_err handshake(tls_filter *t)
{
    int status = SSL_do_handshake(t->ssl);
    if (status != 1 && SSL_get_error(t->ssl, status) != SSL_ERROR_WANT_READ)
        return failed(t);
    put_records(t);
    if (status != 1)
        return SB_OK;
    t->open = true;
    note_subject(t);
    return SB_OK;
}

static sb_err read_plain(tls_filter *t)
{
    uint8_t plain[RECORD];
    int n;
    while ((n = SSL_read(t->ssl, plain, sizeof plain)) > 0)
        sb__filter_deliver(&t->base, plain, (size_t)n);
    int why = SSL_get_error(t->ssl, n);
    if (why != SSL_ERROR_WANT_READ && why != SSL_ERROR_ZERO_RETURN)
        return failed(t);
    put_records(t); /* answers to key updates */
    return why == SSL_ERROR_ZERO_RETURN ? SB_ECLOSED : SB_OK;
}

static sb_err tls_read(sb__filter *f, const uint8_t *data, size_t len)
{
    tls_filter *t = of(f);
    sb_err err = SB_OK;
    size_t taken;
    ERR_clear_error();
    if (BIO_write_ex(SSL_get_rbio(t->ssl), data, len, &taken) != 1)
        return SB_ENOMEM;
    if (!t->open)
        err = handshake(t);
    return err == SB_OK && t->open ? read_plain(t) : err;
}

static sb_err encrypt(tls_filter *t, const uint8_t *data, size_t len)
{
    size_t written;
    if (len == 0)
        return SB_OK;
    return SSL_write_ex(t->ssl, data, len, &written) == 1 ? SB_OK : failed(t);
}

/* Small pieces share a record. */
static sb_err tls_write(sb__filter *f, const struct iovec *iov, size_t n)
{
    tls_filter *t = of(f);
    uint8_t record[RECORD];
    size_t have = 0;
    sb_err err = SB_OK;
    if (!t->open)
        return SB_EAGAIN;
    ERR_clear_error();
    for (size_t i = 0; i < n && err == SB_OK; i++) {
        if (iov[i].iov_len > sizeof record - have) {
            err = encrypt(t, record, have);
            have = 0;
        }
        if (iov[i].iov_len >= sizeof record && err == SB_OK) {
            err = encrypt(t, iov[i].iov_base, iov[i].iov_len);
        } else {
            memcpy(record + have, iov[i].iov_base, iov[i].iov_len);
            have += iov[i].iov_len;
        }
    }
    if (err == SB_OK)
        err = encrypt(t, record, have);
    put_records(t);
    return err;
}

static sb_err tls_start(sb__filter *f)
{
    ERR_clear_error();
    return handshake(of(f));
}

static void tls_shutdown(sb__filter *f)
{
    tls_filter *t = of(f);
    if (!t->open || t->closed)
        return;
    t->closed = true;
    SSL_shutdown(t->ssl);
    put_records(t);
    ERR_clear_error();
}

static void tls_ended(sb__filter *f)
{
    if (!of(f)->open)
        sb__filter_why(f, SB_ECLOSED, "the peer closed the connection during the TLS handshake");
}

static const char *tls_property(const sb__filter *f, const char *name)
{
    const tls_filter *t = (const tls_filter *)f;
    if (strcmp(name, "tls_subject") == 0 && t->subject[0] != '\0')
        return t->subject;
    if (strcmp(name, "tls_version") == 0 && t->open)
        return SSL_get_version(t->ssl);
    if (strcmp(name, "tls_cipher") == 0 && t->open)
        return SSL_get_cipher_name(t->ssl);
    return NULL;
}

static void tls_free(sb__filter *f)
{
    SSL_free(of(f)->ssl); /* with its BIOs */
    free(f);
}

static const sb__filter_impl tls_impl = {
    .start = tls_start,
    .read = tls_read,
    .write = tls_write,
    .shutdown = tls_shutdown,
    .ended = tls_ended,
    .property = tls_property,
    .free = tls_free,
};

static bool is_address(const char *host)
{
    struct in6_addr any;
    return inet_pton(AF_INET, host, &any) == 1 || inet_pton(AF_INET6, host, &any) == 1;
}

static bool expect_name(SSL *ssl, const char *host)
{
    if (is_address(host))
        return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host) == 1;
    return SSL_set1_host(ssl, host) == 1 && SSL_set_tlsext_host_name(ssl, host) == 1;
}

static SSL *new_ssl(const sb__tls *tls)
{
    SSL *ssl = SSL_new(tls->ctx);
    BIO *in = BIO_new(BIO_s_mem()), *out = BIO_new(BIO_s_mem());
    if (ssl == NULL || in == NULL || out == NULL) {
        BIO_free(in);
        BIO_free(out);
        SSL_free(ssl);
        return NULL;
    }
    SSL_set_bio(ssl, in, out);
    if (tls->as_server)
        SSL_set_accept_state(ssl);
    else
        SSL_set_connect_state(ssl);
    if (tls->hostname == NULL || expect_name(ssl, tls->hostname))
        return ssl;
    SSL_free(ssl);
    return NULL;
}

sb_err sb__tls_wrap(sb__hub *hub, sb_stream *below, const sb__tls *tls, sb_stream **out)
{
    tls_filter *t = calloc(1, sizeof *t);
    if (t == NULL || (t->ssl = new_ssl(tls)) == NULL) {
        free(t);
        ERR_clear_error();
        return SB_ENOMEM;
    }
    sb__filter_init(&t->base, &tls_impl, hub, below);
    *out = &t->base.base;
    return SB_OK;
}

/* ---- what the WebSocket handshake needs ---- */

void sb__tls_random(uint8_t *out, size_t len)
{
    memset(out, 0, len);
    (void)RAND_bytes(out, (int)len); /* fails only where the kernel gives none: then masks are zero */
}

void sb__tls_base64(const uint8_t *data, size_t len, char *out)
{
    EVP_EncodeBlock((unsigned char *)out, data, (int)len);
}

void sb__tls_websocket_accept(const char *key, char out[SB__TLS_ACCEPT])
{
    static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    char text[128];
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned int len = 0;
    int n = snprintf(text, sizeof text, "%s%s", key, guid);
    EVP_Digest(text, (size_t)n < sizeof text ? (size_t)n : sizeof text - 1, digest, &len, EVP_sha1(), NULL);
    sb__tls_base64(digest, len, out);
}
