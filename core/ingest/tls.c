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

#include "guard/keeper.h"
#include "ingest/tls_verify.h"
#include "util/log.h"

/* More CA names than this in a CertificateRequest make vehicles withhold their certificate
 * (a list as long as a system's trust store is known to); then none is sent. */
#define CA_NAMES_MAX 64

/* Bytes of a vehicle's certificate and its chain; Tesla's take 2 to 5 kB. */
#define CHAIN_MAX 32768

static int openssl_failed(struct fr_error *error, const char *what, const char *file)
{
    const char *reason = ERR_reason_error_string(ERR_peek_last_error());

    fr_error_set(error, "%s %s: %s", what, file, reason != NULL ? reason : "cannot be read");
    ERR_clear_error();
    return -1;
}

/* What the daemon may no longer read itself, its keeper opens. */
static BIO *open_file(const char *file, const char *what, struct fr_error *error)
{
    int fd = fr_keeper_open(file);
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

/* The server's certificate and what follows it in its file: the chain. */
static int load_chain(SSL_CTX *context, const char *file, struct fr_error *error)
{
    BIO *bio = open_file(file, "server certificate", error);
    X509 *certificate;
    int status = 0, reason;

    if (bio == NULL)
        return -1;
    certificate = PEM_read_bio_X509_AUX(bio, NULL, NULL, NULL);
    if (certificate == NULL || SSL_CTX_use_certificate(context, certificate) != 1 ||
        SSL_CTX_clear_chain_certs(context) != 1)
        status = openssl_failed(error, "server certificate", file);
    X509_free(certificate);
    while (status == 0 && (certificate = PEM_read_bio_X509(bio, NULL, NULL, NULL)) != NULL)
        if (SSL_CTX_add0_chain_cert(context, certificate) != 1) {
            X509_free(certificate);
            status = openssl_failed(error, "server certificate", file);
        }
    reason = ERR_GET_REASON(ERR_peek_last_error());
    if (status == 0 && reason != PEM_R_NO_START_LINE)
        status = openssl_failed(error, "server certificate", file);
    ERR_clear_error();
    BIO_free(bio);
    return status;
}

static int load_key(SSL_CTX *context, const struct fr_tls_files *files, struct fr_error *error)
{
    BIO *bio = open_file(files->key, "private key", error);
    EVP_PKEY *key;
    int status = 0;

    if (bio == NULL)
        return -1;
    key = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
    if (key == NULL)
        status = openssl_failed(error, "private key", files->key);
    else if (SSL_CTX_use_PrivateKey(context, key) != 1 || SSL_CTX_check_private_key(context) != 1)
        status = fr_error_set(error, "the private key %s does not belong to the certificate %s",
                              files->key, files->certificate);
    EVP_PKEY_free(key);
    BIO_free(bio);
    return status;
}

static void warn_if_expired(X509 *certificate, const char *file)
{
    char name[256];

    if (X509_cmp_current_time(X509_get0_notAfter(certificate)) >= 0)
        return;
    X509_NAME_oneline(X509_get_subject_name(certificate), name, sizeof name);
    fr_log(FR_LOG_NOTICE,
           "%s: the CA certificate %s has expired; vehicles that depend on it are refused", file,
           name);
}

static int add_anchors(SSL_CTX *context, BIO *bio, const char *file, struct fr_error *error)
{
    X509_STORE *store = SSL_CTX_get_cert_store(context);
    STACK_OF(X509_NAME) *names = sk_X509_NAME_new_null();
    X509 *certificate;
    int count = 0;

    if (names == NULL)
        return fr_error_set(error, "out of memory");
    while ((certificate = PEM_read_bio_X509(bio, NULL, NULL, NULL)) != NULL) {
        X509_NAME *name = X509_NAME_dup(X509_get_subject_name(certificate));

        warn_if_expired(certificate, file);
        X509_STORE_add_cert(store, certificate);
        if (name != NULL && sk_X509_NAME_push(names, name) <= 0)
            X509_NAME_free(name);
        X509_free(certificate);
        count++;
    }
    /* Reading ends with "no start line" at the end of the file; anything else is a fault in it. */
    if (ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE || count == 0) {
        sk_X509_NAME_pop_free(names, X509_NAME_free);
        if (count == 0)
            ERR_clear_error();
        return count == 0 ? fr_error_set(error, "%s has no PEM certificate in it", file)
                          : openssl_failed(error, "CA bundle", file);
    }
    ERR_clear_error();
    if (count > CA_NAMES_MAX) {
        sk_X509_NAME_pop_free(names, X509_NAME_free);
        names = sk_X509_NAME_new_null();
    }
    SSL_CTX_set_client_CA_list(context, names);
    return 0;
}

static int load_anchors(SSL_CTX *context, const char *file, struct fr_error *error)
{
    BIO *bio = open_file(file, "CA bundle", error);
    int status;

    if (bio == NULL)
        return -1;
    status = add_anchors(context, bio, file, error);
    BIO_free(bio);
    return status;
}

static int load_crls(SSL_CTX *context, const char *file, struct fr_error *error)
{
    BIO *bio;
    int status;

    if (file == NULL)
        return 0;
    bio = open_file(file, "revocation lists", error);
    if (bio == NULL)
        return -1;
    status = fr_tls_verify_add_crls(context, bio, file, error);
    BIO_free(bio);
    return status;
}

static void set_policy(SSL_CTX *context)
{
    X509_VERIFY_PARAM *verify = SSL_CTX_get0_param(context);

    SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
    fr_tls_verify_setup(context);
    /* "Tesla Motors Products CA" has only anyExtendedKeyUsage, which OpenSSL's check for a
     * client CA refuses; the leaf's usage is checked in identity.c instead. */
    X509_VERIFY_PARAM_set_purpose(verify, X509_PURPOSE_ANY);
    X509_VERIFY_PARAM_set_flags(verify, X509_V_FLAG_PARTIAL_CHAIN);
    /* Who a vehicle is must come from a certificate verified now, so nothing is resumed. */
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_options(context, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION |
                                     SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE |
                                     SSL_OP_IGNORE_UNEXPECTED_EOF);
    SSL_CTX_set_num_tickets(context, 0);
    SSL_CTX_set_max_cert_list(context, CHAIN_MAX);
    /* An idle vehicle must not hold 34 kB of record buffers. */
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                  SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
}

SSL_CTX *fr_tls_context(const struct fr_tls_files *files, struct fr_error *error)
{
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());

    ERR_clear_error();
    if (context == NULL) {
        fr_error_set(error, "OpenSSL has no memory for a TLS context");
        return NULL;
    }
    set_policy(context);
    if (load_chain(context, files->certificate, error) == 0 &&
        load_key(context, files, error) == 0 &&
        load_anchors(context, files->vehicle_ca, error) == 0 &&
        load_crls(context, files->crl, error) == 0)
        return context;
    ERR_clear_error();
    SSL_CTX_free(context);
    return NULL;
}

/* certbot replaces a link, others write in place: so times and inodes. */
int64_t fr_tls_files_mark(const struct fr_tls_files *files)
{
    const char *const paths[] = {files->certificate, files->key, files->vehicle_ca, files->crl};
    uint64_t mark = 0;

    for (size_t i = 0; i < (files->crl != NULL ? 4 : 3); i++) {
        int fd = fr_keeper_open(paths[i]);
        struct stat st;

        if (fd >= 0 && fstat(fd, &st) == 0)
            mark = mark * 31 + (uint64_t)st.st_mtim.tv_sec * 1000000000 +
                   (uint64_t)st.st_mtim.tv_nsec + (uint64_t)st.st_ino;
        if (fd >= 0)
            close(fd);
    }
    return (int64_t)(mark >> 1);
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

/* The newest error of OpenSSL's TLS code in this thread's queue, which is emptied; else the newest
 * one of any. An older one of another library is a detail of it. */
static unsigned long last_error(void)
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

const char *fr_tls_failure(SSL *ssl, char *why, size_t size)
{
    unsigned long code = last_error();
    const char *reason = ERR_reason_error_string(code);

    if (fr_tls_verify_failure(ssl, why, size))
        return "not-trusted";
    switch (ERR_GET_LIB(code) == ERR_LIB_SSL ? ERR_GET_REASON(code) : 0) {
    case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE:
        snprintf(
            why, size,
            "the peer sent no client certificate: a scanner, or a proxy that ends TLS before us");
        return "no-certificate";
    case SSL_R_CERTIFICATE_VERIFY_FAILED:
        snprintf(why, size, "its certificate could not be verified");
        return "not-trusted";
    case SSL_R_EXCESSIVE_MESSAGE_SIZE:
        snprintf(why, size,
                 "a message of its handshake is too long (certificates: %d bytes at "
                 "most); no vehicle sends that",
                 CHAIN_MAX);
        return "other";
    case SSL_R_TLSV1_ALERT_UNKNOWN_CA:
    case SSL_R_SSLV3_ALERT_BAD_CERTIFICATE:
    case SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN:
    case SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED:
        snprintf(why, size,
                 "the vehicle rejected our certificate (%s): the `ca` in its telemetry "
                 "configuration must hold the root of tls.certificate's chain",
                 reason != NULL ? reason : "alert");
        return "rejected-us";
    default:
        snprintf(why, size, "%s", code == 0 ? "the peer hung up" : reason != NULL ? reason : "?");
        return "other";
    }
}
