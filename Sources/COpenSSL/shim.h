// OpenSSL, and those of its names that are macros and so invisible to Swift. No logic lives here.
#ifndef NEXUS_COPENSSL_H
#define NEXUS_COPENSSL_H

#include <openssl/bio.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ocsp.h>
#include <openssl/param_build.h>
#include <openssl/params.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

static const uint64_t NX_OP_NO_RENEGOTIATION = SSL_OP_NO_RENEGOTIATION;
static const uint64_t NX_OP_NO_COMPRESSION = SSL_OP_NO_COMPRESSION;
static const uint64_t NX_OP_NO_TICKET = SSL_OP_NO_TICKET;
static const uint64_t NX_OP_SERVER_PREFERENCE = SSL_OP_CIPHER_SERVER_PREFERENCE;
static const uint64_t NX_OP_PRIORITIZE_CHACHA = SSL_OP_PRIORITIZE_CHACHA;
static const int NX_RETRY_READ = BIO_FLAGS_READ | BIO_FLAGS_SHOULD_RETRY;
static const int NX_RETRY_WRITE = BIO_FLAGS_WRITE | BIO_FLAGS_SHOULD_RETRY;
static const int NX_RETRY_ALL = BIO_FLAGS_RWS | BIO_FLAGS_SHOULD_RETRY;

static const unsigned long NX_NAME_RFC2253 = XN_FLAG_RFC2253;

// An OSSL_PARAM keeps the pointer to its name, so the name has to be a constant of C.
static inline const char *nx_mac_key(void) { return OSSL_MAC_PARAM_KEY; }
static inline const char *nx_mac_digest(void) { return OSSL_MAC_PARAM_DIGEST; }
static inline const char *nx_rsa_n(void) { return OSSL_PKEY_PARAM_RSA_N; }
static inline const char *nx_rsa_e(void) { return OSSL_PKEY_PARAM_RSA_E; }
static inline const char *nx_rsa_d(void) { return OSSL_PKEY_PARAM_RSA_D; }
static inline const char *nx_rsa_p(void) { return OSSL_PKEY_PARAM_RSA_FACTOR1; }
static inline const char *nx_rsa_q(void) { return OSSL_PKEY_PARAM_RSA_FACTOR2; }
static inline const char *nx_rsa_dp(void) { return OSSL_PKEY_PARAM_RSA_EXPONENT1; }
static inline const char *nx_rsa_dq(void) { return OSSL_PKEY_PARAM_RSA_EXPONENT2; }
static inline const char *nx_rsa_qi(void) { return OSSL_PKEY_PARAM_RSA_COEFFICIENT1; }
static inline const char *nx_ec_group(void) { return OSSL_PKEY_PARAM_GROUP_NAME; }
static inline const char *nx_ec_point(void) { return OSSL_PKEY_PARAM_PUB_KEY; }
static inline const char *nx_ec_x(void) { return OSSL_PKEY_PARAM_EC_PUB_X; }
static inline const char *nx_ec_y(void) { return OSSL_PKEY_PARAM_EC_PUB_Y; }
static inline const char *nx_ec_d(void) { return OSSL_PKEY_PARAM_PRIV_KEY; }

static const int NX_ED25519 = EVP_PKEY_ED25519;
static const int NX_PUBLIC_KEY = EVP_PKEY_PUBLIC_KEY;
static const int NX_WHOLE_KEY = EVP_PKEY_KEYPAIR;
static const int NX_P256 = NID_X9_62_prime256v1;
// Deprecated for signing keys' sake, and without a successor.
static inline int nx_ec_precompute(EC_GROUP *group) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
    return EC_GROUP_precompute_mult(group, NULL);
#pragma GCC diagnostic pop
}
static inline EVP_PKEY *nx_make_rsa(size_t bits) { return EVP_PKEY_Q_keygen(NULL, NULL, "RSA", bits); }
static inline EVP_PKEY *nx_make_ec(const char *group) { return EVP_PKEY_Q_keygen(NULL, NULL, "EC", group); }
static inline EVP_PKEY *nx_make_ed25519(void) { return EVP_PKEY_Q_keygen(NULL, NULL, "ED25519"); }

static inline int nx_ssl_ctx_set_versions(SSL_CTX *context, int least, int most) {
    return SSL_CTX_set_min_proto_version(context, least) && SSL_CTX_set_max_proto_version(context, most);
}
static inline void nx_ssl_ctx_set_mode(SSL_CTX *context, long mode) { SSL_CTX_set_mode(context, mode); }
static inline void nx_ssl_ctx_clear_mode(SSL_CTX *context, long mode) { SSL_CTX_clear_mode(context, mode); }
static inline void nx_ssl_ctx_set_read_ahead(SSL_CTX *context, long on) { SSL_CTX_set_read_ahead(context, on); }
static inline void nx_ssl_ctx_set_cache_mode(SSL_CTX *context, long mode) {
    SSL_CTX_set_session_cache_mode(context, mode);
}
static inline int nx_ssl_ctx_set_groups(SSL_CTX *context, const char *list) {
    return (int)SSL_CTX_set1_groups_list(context, list);
}
static inline void nx_ssl_ctx_on_server_name(SSL_CTX *context, int (*callback)(SSL *, int *, void *), void *argument) {
    SSL_CTX_set_tlsext_servername_callback(context, callback);
    SSL_CTX_set_tlsext_servername_arg(context, argument);
}
static inline void nx_ssl_ctx_on_status(SSL_CTX *context, int (*callback)(SSL *, void *), void *argument) {
    SSL_CTX_set_tlsext_status_cb(context, callback);
    SSL_CTX_set_tlsext_status_arg(context, argument);
}
static inline int nx_ssl_set_status_response(SSL *ssl, unsigned char *response, long length) {
    return (int)SSL_set_tlsext_status_ocsp_resp(ssl, response, length);
}
static inline int nx_ssl_set_host_name(SSL *ssl, const char *name) { return (int)SSL_set_tlsext_host_name(ssl, name); }
static inline void *nx_openssl_malloc(size_t size) { return OPENSSL_malloc(size); }
static inline void nx_openssl_free(void *memory) { OPENSSL_free(memory); }
static inline int nx_names_count(const GENERAL_NAMES *names) { return sk_GENERAL_NAME_num(names); }
static inline const GENERAL_NAME *nx_name_at(const GENERAL_NAMES *names, int i) {
    return sk_GENERAL_NAME_value(names, i);
}
static inline long nx_bio_memory(BIO *bio, char **start) { return BIO_get_mem_data(bio, start); }

#endif
