// OpenSSL, and those of its names that are macros and so invisible to Swift. No logic lives here.
#ifndef NEXUS_COPENSSL_H
#define NEXUS_COPENSSL_H

#include <openssl/err.h>
#include <openssl/ssl.h>

static inline int nx_ssl_ctx_set_versions(SSL_CTX *context, int least, int most) {
    return SSL_CTX_set_min_proto_version(context, least) && SSL_CTX_set_max_proto_version(context, most);
}

#endif
