#include "ingest/tls_verify.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>

#include "ingest/certificate_rules.h"
#include "util/log.h"

/* OpenSSL's level for certificates: keys of 80 bits of security, so RSA from 1024 bits, and neither
 * MD5 nor SHA-1. Go has the same bounds. */
#define AUTH_LEVEL 1

/* Signatures checked to find the issuer among certificates of one name, for one handshake: the
 * peer's chain may have many. */
#define ISSUER_CHECKS_MAX 8

static _Thread_local unsigned issuer_checks;

/* The last certificate error. Set by verify_callback(), which OpenSSL calls within SSL_accept() on
 * the same thread. */
static _Thread_local struct {
    int error, depth;
    char subject[128];
} failure;

static bool verify_is_about_crl(int error)
{
    switch (error) {
    case X509_V_ERR_UNABLE_TO_GET_CRL:
    case X509_V_ERR_UNABLE_TO_GET_CRL_ISSUER:
    case X509_V_ERR_CRL_HAS_EXPIRED:
    case X509_V_ERR_CRL_NOT_YET_VALID:
    case X509_V_ERR_CRL_SIGNATURE_FAILURE:
    case X509_V_ERR_CRL_PATH_VALIDATION_ERROR:
    case X509_V_ERR_DIFFERENT_CRL_SCOPE:
    case X509_V_ERR_KEYUSAGE_NO_CRL_SIGN:
        return true;
    default:
        return false;
    }
}

/* OpenSSL also checks an anchor that is not a root against its issuer's CRL. The anchor is trusted
 * because it is in tls.vehicle_ca, so CRL errors at the end of the chain are ignored; a revocation
 * is not one of them. */
static bool verify_may_ignore(int error, int depth, X509_STORE_CTX *ctx)
{
    if (error == X509_V_ERR_UNABLE_TO_GET_CRL || error == X509_V_ERR_CRL_HAS_EXPIRED ||
        error == X509_V_ERR_CRL_NOT_YET_VALID)
        return true;
    return verify_is_about_crl(error) && depth == sk_X509_num(X509_STORE_CTX_get0_chain(ctx)) - 1;
}

static void verify_set_failure(int error, int depth, X509 *certificate)
{
    failure.error = error;
    failure.depth = depth;
    failure.subject[0] = '\0';
    if (certificate != NULL)
        X509_NAME_oneline(X509_get_subject_name(certificate), failure.subject,
                          sizeof failure.subject);
}

static int verify_callback(int good, X509_STORE_CTX *ctx)
{
    int error = X509_STORE_CTX_get_error(ctx), depth = X509_STORE_CTX_get_error_depth(ctx);
    X509 *certificate = X509_STORE_CTX_get_current_cert(ctx);

    if (good)
        return 1;
    if (verify_may_ignore(error, depth, ctx)) {
        X509_STORE_CTX_set_error(ctx, X509_V_OK);
        return 1;
    }
    verify_set_failure(error, depth, certificate);
    return 0;
}

/* Whether `issuer` may have issued `certificate`. A missing or differing key identifier
 * only makes the signature decide, as in Go: CA certificates are reissued with other identifiers. */
static int verify_is_issuer(X509_STORE_CTX *ctx, X509 *certificate, X509 *issuer)
{
    int error = X509_check_issued(issuer, certificate), valid;

    (void)ctx;
    if (error == X509_V_ERR_KEYUSAGE_NO_CERTSIGN)
        return 1; /* X509_verify_cert() reports it */
    if (error == X509_V_OK && X509_get0_authority_key_id(certificate) != NULL &&
        X509_get0_subject_key_id(issuer) != NULL)
        return 1;
    if ((error != X509_V_OK && error != X509_V_ERR_AKID_SKID_MISMATCH &&
         error != X509_V_ERR_AKID_ISSUER_SERIAL_MISMATCH) ||
        issuer_checks++ >= ISSUER_CHECKS_MAX)
        return 0;
    valid = X509_verify(certificate, X509_get0_pubkey(issuer)) == 1;
    ERR_clear_error();
    return valid;
}

static int verify_reject(X509_STORE_CTX *ctx, int error, int depth, X509 *certificate)
{
    verify_set_failure(error, depth, certificate);
    X509_STORE_CTX_set_error(ctx, error);
    X509_STORE_CTX_set_error_depth(ctx, depth);
    return 0;
}

/* The chain ended before an anchor: because an issuer was skipped for its usage? */
static int verify_explain_missing_issuer(X509_STORE_CTX *ctx, STACK_OF(X509) * sent)
{
    X509 *last = X509_STORE_CTX_get_current_cert(ctx);

    if (last == NULL || (failure.error != X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY &&
                         failure.error != X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT &&
                         failure.error != X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE))
        return 0;
    for (int i = 0; i < sk_X509_num(sent); i++) {
        X509 *issuer = sk_X509_value(sent, i);

        if (!fr_certificate_allows_client(issuer) &&
            X509_NAME_cmp(X509_get_subject_name(issuer), X509_get_issuer_name(last)) == 0)
            return verify_reject(ctx, X509_V_ERR_INVALID_PURPOSE, failure.depth + 1, issuer);
    }
    return 0;
}

/* Verify a client's chain as Go's crypto/tls does. A certificate that excludes client authentication
 * cannot be part of a valid chain, so the search for a chain does without it: another certificate of
 * the same CA may be valid. The anchors were selected when they were read. */
static int verify_chain(X509_STORE_CTX *ctx, void *unused)
{
    STACK_OF(X509) *sent = X509_STORE_CTX_get0_untrusted(ctx), *usable = sk_X509_new_null();
    X509 *leaf = X509_STORE_CTX_get0_cert(ctx);
    int status = 0;

    (void)unused;
    issuer_checks = 0;
    for (int i = 0; i < sk_X509_num(sent); i++) {
        X509 *certificate = sk_X509_value(sent, i);

        if (!fr_certificate_is_readable(certificate)) {
            sk_X509_free(usable);
            return verify_reject(ctx, X509_V_ERR_APPLICATION_VERIFICATION, i, certificate);
        }
        if (usable != NULL && fr_certificate_allows_client(certificate))
            sk_X509_push(usable, certificate);
    }
    if (!fr_certificate_allows_client(leaf))
        status = verify_reject(ctx, X509_V_ERR_INVALID_PURPOSE, 0, leaf);
    else {
        X509_VERIFY_PARAM_set_auth_level(X509_STORE_CTX_get0_param(ctx), AUTH_LEVEL);
        X509_STORE_CTX_set0_untrusted(ctx, usable);
        status = X509_verify_cert(ctx);
        X509_STORE_CTX_set0_untrusted(ctx, sent);
        if (status != 1)
            status = verify_explain_missing_issuer(ctx, sent);
    }
    sk_X509_free(usable);
    return status;
}

void fr_tls_verify_setup(SSL_CTX *context)
{
    /* Without SSL_VERIFY_FAIL_IF_NO_PEER_CERT: a client without a certificate may get the public
     * key; see without_certificate.h. */
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, verify_callback);
    SSL_CTX_set_cert_verify_callback(context, verify_chain, NULL);
    X509_STORE_set_check_issued(SSL_CTX_get_cert_store(context), verify_is_issuer);
}

/* ---- revocation lists ------------------------------------------------------------ */

static int verify_check_signature(X509_STORE *store, X509_CRL *crl, const char *file,
                                  struct fr_error *error)
{
    STACK_OF(X509_OBJECT) *objects = X509_STORE_get0_objects(store);
    char name[256];
    bool found = false;

    for (int i = 0; i < sk_X509_OBJECT_num(objects); i++) {
        X509 *issuer = X509_OBJECT_get0_X509(sk_X509_OBJECT_value(objects, i));

        if (issuer == NULL ||
            X509_NAME_cmp(X509_get_subject_name(issuer), X509_CRL_get_issuer(crl)) != 0)
            continue;
        if (X509_CRL_verify(crl, X509_get0_pubkey(issuer)) == 1)
            return 0;
        found = true;
    }
    ERR_clear_error();
    if (!found)
        return 0; /* the CRL of an intermediate in vehicles' chains; OpenSSL checks it there */
    X509_NAME_oneline(X509_CRL_get_issuer(crl), name, sizeof name);
    return fr_error_set(error,
                        "tls.crl %s: the list of %s is not signed by the certificate of that name "
                        "in tls.vehicle_ca",
                        file, name);
}

static void verify_warn_if_outdated(const X509_CRL *crl, const char *file)
{
    const ASN1_TIME *until = X509_CRL_get0_nextUpdate(crl);
    char name[256];

    if (until == NULL || X509_cmp_current_time(until) >= 0)
        return;
    X509_NAME_oneline(X509_CRL_get_issuer(crl), name, sizeof name);
    fr_log(FR_LOG_WARNING,
           "tls.crl %s: the list of %s is outdated: it still applies, but certificates that were "
           "revoked later are accepted; install a newer list",
           file, name);
}

int fr_tls_verify_add_crls(SSL_CTX *context, BIO *bio, const char *file, struct fr_error *error)
{
    X509_STORE *store = SSL_CTX_get_cert_store(context);
    int count = 0, status = 0;
    unsigned long reason;
    X509_CRL *crl;

    ERR_clear_error();
    while (status == 0 && (crl = PEM_read_bio_X509_CRL(bio, NULL, NULL, NULL)) != NULL) {
        verify_warn_if_outdated(crl, file);
        status = verify_check_signature(store, crl, file, error);
        if (status == 0 && X509_STORE_add_crl(store, crl) != 1)
            status = fr_error_set(error, "tls.crl %s: a list in it cannot be used", file);
        X509_CRL_free(crl);
        count++;
    }
    reason = ERR_peek_last_error();
    if (status == 0 && count == 0)
        status = fr_error_set(error, "tls.crl %s contains no PEM revocation list", file);
    else if (status == 0 && ERR_GET_REASON(reason) != PEM_R_NO_START_LINE)
        status = fr_error_set(error, "tls.crl %s: revocation list %d cannot be read", file, count);
    ERR_clear_error();
    if (status == 0)
        X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(context),
                                    X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL);
    return status;
}

bool fr_tls_revoked(const SSL_CTX *context, const struct fr_certificate_id *id)
{
    X509_STORE *store = SSL_CTX_get_cert_store(context);
    X509 *certificate = NULL; /* made for the first CRL */
    STACK_OF(X509_OBJECT) * objects;
    bool revoked = false;

    X509_STORE_lock(store);
    objects = X509_STORE_get0_objects(store);
    for (int i = 0; !revoked && i < sk_X509_OBJECT_num(objects); i++) {
        X509_CRL *crl = X509_OBJECT_get0_X509_CRL(sk_X509_OBJECT_value(objects, i));
        X509_REVOKED *entry;

        if (crl == NULL)
            continue;
        if (certificate == NULL)
            certificate = fr_certificate_id_expand(id);
        revoked = certificate == NULL || X509_CRL_get0_by_cert(crl, &entry, certificate) == 1;
    }
    X509_STORE_unlock(store);
    X509_free(certificate);
    return revoked;
}

/* ---- failures -------------------------------------------------------------------- */

static const char *verify_remedy(int error)
{
    switch (error) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
    case X509_V_ERR_CERT_NOT_YET_VALID:
        return "renew it, or correct this machine's clock";
    case X509_V_ERR_CERT_REVOKED:
        return "tls.crl lists it";
    case X509_V_ERR_INVALID_PURPOSE:
        return "its extended key usage does not allow client authentication";
    case X509_V_ERR_APPLICATION_VERIFICATION:
        return "a name or the serial number in it is not valid in X.509";
    default:
        if (verify_is_about_crl(error))
            return "the list of its issuer in tls.crl cannot be used";
        return "the peer is not a vehicle, or tls.vehicle_ca lacks its CA (for `fleetroute "
               "simulate`: "
               "vehicle-ca.pem in its --pki folder)";
    }
}

bool fr_tls_verify_describe_failure(const SSL *ssl, char *why, size_t size)
{
    long result = SSL_get_verify_result(ssl);

    if (failure.error == X509_V_OK && result == X509_V_OK)
        return false;
    if (failure.error == X509_V_OK)
        snprintf(why, size, "its certificate is not trusted: %s: %s",
                 X509_verify_cert_error_string(result), verify_remedy((int)result));
    else
        snprintf(why, size, "its certificate is not trusted: %s: %s (%s%s)",
                 X509_verify_cert_error_string(failure.error), verify_remedy(failure.error),
                 failure.depth == 0 ? "" : "an issuer: ",
                 failure.subject[0] != '\0' ? failure.subject : "no name");
    failure.error = X509_V_OK;
    return true;
}
