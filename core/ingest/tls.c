#include "ingest/tls.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "ingest/certificate_rules.h"
#include "ingest/tls_verify.h"
#include "privsep/key_reader.h"
#include "util/log.h"

/* Vehicles send no certificate in response to a CertificateRequest with as many CA names as a
 * system's trust store has. With more names than this, the request has none. */
#define CA_NAMES_MAX 64

/* Bytes of a vehicle's certificate and its chain at most; Tesla's have 2 to 5 kB. */
#define CHAIN_MAX 32768

/* Report the newest error of OpenSSL and empty its queue. Returns -1. */
static int tls_openssl_error(struct fr_error *error, const char *what, const char *file)
{
    const char *reason = ERR_reason_error_string(ERR_peek_last_error());

    fr_error_set(error, "%s %s: %s", what, file, reason != NULL ? reason : "cannot be read");
    ERR_clear_error();
    return -1;
}

/* Open a file directly or, after privileges were dropped, through the key reader. */
static BIO *tls_open_file(const char *file, const char *what, struct fr_error *error)
{
    int fd = fr_key_reader_open(file);
    FILE *stream = fd >= 0 ? fdopen(fd, "re") : NULL;
    BIO *bio = stream != NULL ? BIO_new_fp(stream, BIO_CLOSE) : NULL;

    if (bio != NULL)
        return bio;
    fr_error_set(error, "%s %s: %s", what, file, strerror(errno));
    if (stream != NULL)
        fclose(stream);
    else if (fd >= 0)
        close(fd);
    return NULL;
}

/* Load the server's certificate and the chain that follows it in the same file. */
static int tls_load_chain(SSL_CTX *context, const char *file, struct fr_error *error)
{
    BIO *bio = tls_open_file(file, "server certificate", error);
    X509 *certificate;
    int status = 0, reason;

    if (bio == NULL)
        return -1;
    certificate = PEM_read_bio_X509_AUX(bio, NULL, NULL, NULL);
    if (certificate == NULL || SSL_CTX_use_certificate(context, certificate) != 1 ||
        SSL_CTX_clear_chain_certs(context) != 1)
        status = tls_openssl_error(error, "server certificate", file);
    X509_free(certificate);
    while (status == 0 && (certificate = PEM_read_bio_X509(bio, NULL, NULL, NULL)) != NULL)
        if (SSL_CTX_add0_chain_cert(context, certificate) != 1) {
            X509_free(certificate);
            status = tls_openssl_error(error, "server certificate", file);
        }
    reason = ERR_GET_REASON(ERR_peek_last_error());
    if (status == 0 && reason != PEM_R_NO_START_LINE)
        status = tls_openssl_error(error, "server certificate", file);
    ERR_clear_error();
    BIO_free(bio);
    return status;
}

static int tls_load_key(SSL_CTX *context, const struct fr_tls_files *files, struct fr_error *error)
{
    BIO *bio = tls_open_file(files->key, "private key", error);
    EVP_PKEY *key;
    int status = 0;

    if (bio == NULL)
        return -1;
    key = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
    if (key == NULL)
        status = tls_openssl_error(error, "private key", files->key);
    else if (SSL_CTX_use_PrivateKey(context, key) != 1 || SSL_CTX_check_private_key(context) != 1)
        status = fr_error_set(error, "the private key %s does not belong to the certificate %s",
                              files->key, files->certificate);
    EVP_PKEY_free(key);
    BIO_free(bio);
    return status;
}

static void tls_warn_if_expired(X509 *certificate, const char *file)
{
    char name[256];

    if (X509_cmp_current_time(X509_get0_notAfter(certificate)) >= 0)
        return;
    X509_NAME_oneline(X509_get_subject_name(certificate), name, sizeof name);
    fr_log(FR_LOG_NOTICE,
           "%s: the CA certificate %s has expired; vehicles that depend on it are refused", file,
           name);
}

/* In Go, an anchor that excludes client authentication makes each of its chains invalid. */
static void tls_add_anchor(X509_STORE *store, X509 *certificate, const char *file)
{
    char name[256];

    if (fr_certificate_allows_client(certificate)) {
        X509_STORE_add_cert(store, certificate);
        return;
    }
    X509_NAME_oneline(X509_get_subject_name(certificate), name, sizeof name);
    fr_log(FR_LOG_NOTICE,
           "%s: the extended key usage of the CA certificate %s does not allow client "
           "authentication; vehicles that depend on it are refused",
           file, name);
}

static int tls_add_anchors(SSL_CTX *context, BIO *bio, const char *file, struct fr_error *error)
{
    X509_STORE *store = SSL_CTX_get_cert_store(context);
    STACK_OF(X509_NAME) *names = sk_X509_NAME_new_null();
    X509 *certificate;
    int count = 0;

    if (names == NULL)
        return fr_error_set(error, "out of memory");
    while ((certificate = PEM_read_bio_X509(bio, NULL, NULL, NULL)) != NULL) {
        X509_NAME *name = X509_NAME_dup(X509_get_subject_name(certificate));

        tls_warn_if_expired(certificate, file);
        tls_add_anchor(store, certificate, file);
        if (name != NULL && sk_X509_NAME_push(names, name) <= 0)
            X509_NAME_free(name);
        X509_free(certificate);
        count++;
    }
    /* "No start line" is the error at the end of the file; any other error is a fault in it. */
    if (ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE || count == 0) {
        sk_X509_NAME_pop_free(names, X509_NAME_free);
        if (count == 0)
            ERR_clear_error();
        return count == 0 ? fr_error_set(error, "%s contains no PEM certificate", file)
                          : tls_openssl_error(error, "CA bundle", file);
    }
    ERR_clear_error();
    if (count > CA_NAMES_MAX) {
        sk_X509_NAME_pop_free(names, X509_NAME_free);
        names = sk_X509_NAME_new_null();
    }
    SSL_CTX_set_client_CA_list(context, names);
    return 0;
}

static int tls_load_anchors(SSL_CTX *context, const char *file, struct fr_error *error)
{
    BIO *bio = tls_open_file(file, "CA bundle", error);
    int status;

    if (bio == NULL)
        return -1;
    status = tls_add_anchors(context, bio, file, error);
    BIO_free(bio);
    return status;
}

static int tls_load_crls(SSL_CTX *context, const char *file, struct fr_error *error)
{
    BIO *bio;
    int status;

    if (file == NULL)
        return 0;
    bio = tls_open_file(file, "revocation lists", error);
    if (bio == NULL)
        return -1;
    status = fr_tls_verify_add_crls(context, bio, file, error);
    BIO_free(bio);
    return status;
}

/* Select http/1.1, as Go's net/http does. Go refuses a client that offers neither it nor h2. h2 itself
 * is not selected: a client that also offers http/1.1 must get it, because WebSockets need it. */
static int tls_select_protocol(SSL *ssl, const unsigned char **out, unsigned char *out_len,
                               const unsigned char *offered, unsigned offered_len, void *unused)
{
    bool http2 = false;

    (void)ssl, (void)unused;
    /* OpenSSL has checked the lengths of the names. */
    for (unsigned i = 0; i < offered_len; i += 1U + offered[i]) {
        if (offered[i] == 8 && memcmp(offered + i + 1, "http/1.1", 8) == 0) {
            *out = offered + i + 1;
            *out_len = offered[i];
            return SSL_TLSEXT_ERR_OK;
        }
        http2 = http2 || (offered[i] == 2 && memcmp(offered + i + 1, "h2", 2) == 0);
    }
    return http2 ? SSL_TLSEXT_ERR_NOACK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

static void tls_set_policy(SSL_CTX *context)
{
    X509_VERIFY_PARAM *verify = SSL_CTX_get0_param(context);

    SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
    fr_tls_verify_setup(context);
    SSL_CTX_set_alpn_select_cb(context, tls_select_protocol, NULL);
    /* "Tesla Motors Products CA" has only anyExtendedKeyUsage, which OpenSSL's check for a
     * client CA rejects; certificate_rules.c checks the usages instead. */
    X509_VERIFY_PARAM_set_purpose(verify, X509_PURPOSE_ANY);
    X509_VERIFY_PARAM_set_flags(verify, X509_V_FLAG_PARTIAL_CHAIN);
    /* No session resumption: the identity must come from a certificate verified now. */
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_options(context, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION |
                                     SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE |
                                     SSL_OP_IGNORE_UNEXPECTED_EOF);
    SSL_CTX_set_num_tickets(context, 0);
    SSL_CTX_set_max_cert_list(context, CHAIN_MAX);
    /* Free the 34 kB of record buffers of an idle connection. */
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                  SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
}

/* Take the certificate, its chain and the key of another context. */
static int tls_copy_certificate(SSL_CTX *context, const SSL_CTX *from, struct fr_error *error)
{
    STACK_OF(X509) *chain = NULL;

    SSL_CTX_get0_chain_certs((SSL_CTX *)(uintptr_t)from, &chain);
    if (SSL_CTX_use_cert_and_key(context, SSL_CTX_get0_certificate(from),
                                 SSL_CTX_get0_privatekey(from), chain, 1) != 1)
        return tls_openssl_error(error, "server certificate", "in force");
    return 0;
}

static int tls_load_certificate(SSL_CTX *context, const struct fr_tls_files *files,
                                const SSL_CTX *served, struct fr_error *error)
{
    if (served != NULL)
        return tls_copy_certificate(context, served, error);
    return tls_load_chain(context, files->certificate, error) == 0
               ? tls_load_key(context, files, error)
               : -1;
}

SSL_CTX *fr_tls_context_serving(const struct fr_tls_files *files, const SSL_CTX *served,
                                struct fr_error *error)
{
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());

    ERR_clear_error();
    if (context == NULL) {
        fr_error_set(error, "out of memory for a TLS context");
        return NULL;
    }
    tls_set_policy(context);
    if (tls_load_certificate(context, files, served, error) == 0 &&
        tls_load_anchors(context, files->vehicle_ca, error) == 0 &&
        tls_load_crls(context, files->crl, error) == 0)
        return context;
    ERR_clear_error();
    SSL_CTX_free(context);
    return NULL;
}

SSL_CTX *fr_tls_context(const struct fr_tls_files *files, struct fr_error *error)
{
    return fr_tls_context_serving(files, NULL, error);
}

SSL_CTX *fr_tls_server_context(const char *certificate, const char *key, struct fr_error *error)
{
    struct fr_tls_files files = {.certificate = certificate, .key = key};
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());

    ERR_clear_error();
    if (context == NULL) {
        fr_error_set(error, "out of memory for a TLS context");
        return NULL;
    }
    SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
    SSL_CTX_set_alpn_select_cb(context, tls_select_protocol, NULL);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_options(context, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION |
                                     SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE |
                                     SSL_OP_IGNORE_UNEXPECTED_EOF);
    SSL_CTX_set_num_tickets(context, 0);
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
    if (tls_load_certificate(context, &files, NULL, error) == 0)
        return context;
    ERR_clear_error();
    SSL_CTX_free(context);
    return NULL;
}

/* certbot replaces a symbolic link, other programs write in place: hence times and inodes. */
int64_t fr_tls_files_fingerprint(const struct fr_tls_files *files)
{
    const char *const paths[] = {files->certificate, files->key, files->vehicle_ca, files->crl};
    uint64_t fingerprint = 0;

    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        int fd = paths[i] != NULL ? fr_key_reader_open(paths[i]) : -1;
        struct stat st;

        if (fd >= 0 && fstat(fd, &st) == 0)
            fingerprint = fingerprint * 31 + (uint64_t)st.st_mtim.tv_sec * 1000000000 +
                          (uint64_t)st.st_mtim.tv_nsec + (uint64_t)st.st_ino;
        if (fd >= 0)
            close(fd);
    }
    return (int64_t)(fingerprint >> 1);
}

int64_t fr_tls_expiry(const SSL_CTX *context)
{
    const X509 *certificate = SSL_CTX_get0_certificate(context);
    struct tm tm;

    if (certificate == NULL || ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &tm) != 1)
        return 0;
    return timegm(&tm);
}

bool fr_tls_valid_now(const SSL_CTX *context)
{
    const X509 *certificate = SSL_CTX_get0_certificate(context);

    return certificate != NULL && X509_cmp_current_time(X509_get0_notBefore(certificate)) < 0 &&
           X509_cmp_current_time(X509_get0_notAfter(certificate)) > 0;
}

/* The newest error of libssl in this thread's queue, else the newest error of any library. The queue
 * is emptied. Errors of other libraries are details of libssl's error. */
static unsigned long tls_last_error(void)
{
    unsigned long code, last = 0;
    bool tls = false;

    while ((code = ERR_get_error()) != 0)
        if (ERR_GET_LIB(code) == ERR_LIB_SSL || !tls) {
            tls = ERR_GET_LIB(code) == ERR_LIB_SSL;
            last = code;
        }
    return last;
}

enum fr_tls_failure_class fr_tls_describe_failure(SSL *ssl, char *why, size_t size)
{
    unsigned long code = tls_last_error();
    const char *reason = ERR_reason_error_string(code);

    if (fr_tls_verify_describe_failure(ssl, why, size))
        return FR_TLS_FAILURE_NOT_TRUSTED;
    switch (ERR_GET_LIB(code) == ERR_LIB_SSL ? ERR_GET_REASON(code) : 0) {
    case SSL_R_CERTIFICATE_VERIFY_FAILED:
        snprintf(why, size, "its certificate could not be verified");
        return FR_TLS_FAILURE_NOT_TRUSTED;
    case SSL_R_EXCESSIVE_MESSAGE_SIZE:
        snprintf(why, size,
                 "a message of its handshake is too long (maximum for certificates: %d bytes), "
                 "which no vehicle sends",
                 CHAIN_MAX);
        return FR_TLS_FAILURE_OTHER;
    case SSL_R_TLSV1_ALERT_UNKNOWN_CA:
    case SSL_R_TLSV1_ALERT_DECRYPT_ERROR: /* a CA of the same name with another key */
    case SSL_R_SSLV3_ALERT_BAD_CERTIFICATE:
    case SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN:
    case SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED:
        snprintf(why, size,
                 "the vehicle rejected the server certificate (%s): the `ca` in its telemetry "
                 "configuration must contain the root of tls.certificate's chain (for `fleetroute "
                 "simulate`: tls.certificate must be server.pem in its --pki folder)",
                 reason != NULL ? reason : "alert");
        return FR_TLS_FAILURE_REJECTED_SERVER;
    default:
        snprintf(why, size, "%s",
                 code == 0        ? "the peer closed the connection"
                 : reason != NULL ? reason
                                  : "unknown error");
        return FR_TLS_FAILURE_OTHER;
    }
}
