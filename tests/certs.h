/* Certificates for tests, made anew by each run: an authority and what it signs, PEM texts. */
#ifndef SB_TEST_CERTS_H
#define SB_TEST_CERTS_H

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

typedef struct cert {
    EVP_PKEY *key;
    X509 *x509;
    char *key_pem, *cert_pem;
} cert;

static inline char *pem_of(BIO *out)
{
    char *data;
    long len = BIO_get_mem_data(out, &data);
    char *text = calloc(1, (size_t)len + 1);
    memcpy(text, data, (size_t)len);
    BIO_free(out);
    return text;
}

static inline void cert_extension(X509 *x509, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX ctx;
    X509V3_set_ctx(&ctx, issuer, x509, NULL, NULL, 0);
    X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    assert_non_null(ext);
    X509_add_ext(x509, ext, -1);
    X509_EXTENSION_free(ext);
}

/* `issuer` NULL: signs itself, as an authority. `names` as in "DNS:localhost,IP:127.0.0.1", NULL: none. */
static inline cert cert_make(const char *name, const char *names, const cert *issuer)
{
    static long serial = 1;
    cert c = {.key = EVP_EC_gen("P-256"), .x509 = X509_new()};
    BIO *key_out = BIO_new(BIO_s_mem()), *cert_out = BIO_new(BIO_s_mem());
    const cert *by = issuer != NULL ? issuer : &c;
    X509_set_version(c.x509, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(c.x509), serial++);
    X509_gmtime_adj(X509_getm_notBefore(c.x509), -3600);
    X509_gmtime_adj(X509_getm_notAfter(c.x509), 3600);
    X509_NAME_add_entry_by_txt(
        X509_get_subject_name(c.x509), "CN", MBSTRING_UTF8, (const unsigned char *)name, -1, -1, 0);
    X509_set_issuer_name(c.x509, X509_get_subject_name(by->x509));
    X509_set_pubkey(c.x509, c.key);
    cert_extension(c.x509, by->x509, NID_basic_constraints, issuer != NULL ? "CA:FALSE" : "critical,CA:TRUE");
    if (names != NULL)
        cert_extension(c.x509, by->x509, NID_subject_alt_name, names);
    assert_true(X509_sign(c.x509, by->key, EVP_sha256()) > 0);
    PEM_write_bio_PrivateKey(key_out, c.key, NULL, NULL, 0, NULL, NULL);
    PEM_write_bio_X509(cert_out, c.x509);
    c.key_pem = pem_of(key_out);
    c.cert_pem = pem_of(cert_out);
    return c;
}

static inline void cert_free(cert *c)
{
    EVP_PKEY_free(c->key);
    X509_free(c->x509);
    free(c->key_pem);
    free(c->cert_pem);
}

#endif
