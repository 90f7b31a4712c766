#include "fleet_api/vehicle_ca.h"

#include <ctype.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>

#include "fleet_api/ca_verify.h"
#include "fleet_api/system_roots.h"
#include "util/memory.h"
#include "util/no_passphrase.h"

/* What makes a bundle. */
struct vehicle_ca {
    const struct fr_server_chain *chain;
    const char *path, *host;
    STACK_OF(X509) * extra;  /* of `path`; may be empty */
    STACK_OF(X509) * bundle; /* the result */
    X509_STORE *trusted;     /* the system's roots, and those of `path` */
    X509_STORE_CTX *search;  /* looks into `trusted` */
};

/* Append a certificate once. */
static void vehicle_ca_add(struct vehicle_ca *job, X509 *certificate)
{
    if (fr_ca_has(job->bundle, certificate) || sk_X509_num(job->bundle) >= FR_VEHICLE_CA_MAX)
        return;
    if (sk_X509_push(job->bundle, certificate) > 0)
        X509_up_ref(certificate);
}

/* ---- the certificates above the server's ------------------------------------------ */

/* Whether `issuer` signed `subject` and has not expired. */
static bool vehicle_ca_signed(X509 *issuer, X509 *subject)
{
    return X509_check_issued(issuer, subject) == X509_V_OK &&
           X509_verify(subject, X509_get0_pubkey(issuer)) == 1 &&
           X509_cmp_current_time(X509_get0_notAfter(issuer)) > 0;
}

/* Add the issuers of `subject` that are in `from`; a self-signed one only if it is trusted. */
static void vehicle_ca_add_issuers(struct vehicle_ca *job, X509 *subject,
                                   const STACK_OF(X509) * from, bool trusted)
{
    for (int i = 0; i < sk_X509_num(from); i++) {
        X509 *issuer = sk_X509_value(from, i);

        if ((trusted || X509_self_signed(issuer, 0) != 1) && vehicle_ca_signed(issuer, subject))
            vehicle_ca_add(job, issuer);
    }
}

/* Add all issuers of a certificate. */
static void vehicle_ca_climb(struct vehicle_ca *job, X509 *subject)
{
    STACK_OF(X509) * known;

    if (X509_self_signed(subject, 0) == 1)
        return;
    vehicle_ca_add_issuers(job, subject, job->chain->file, false);
    known = X509_STORE_CTX_get1_certs(job->search, X509_get_issuer_name(subject));
    vehicle_ca_add_issuers(job, subject, known, true);
    sk_X509_pop_free(known, X509_free);
}

/* ---- verification ----------------------------------------------------------------- */

/* The name of a certificate in printable ASCII. */
static void vehicle_ca_name(const X509 *certificate, char name[128])
{
    X509_NAME *subject = X509_get_subject_name(certificate);

    if (X509_NAME_get_text_by_NID(subject, NID_commonName, name, 128) <= 0 &&
        X509_NAME_get_text_by_NID(subject, NID_organizationName, name, 128) <= 0)
        snprintf(name, 128, "without a name");
    for (char *c = name; *c != '\0'; c++)
        if (!isprint((unsigned char)*c))
            *c = '?';
}

/* The root that ends the chain of the file, or the last certificate before it. */
static void vehicle_ca_top_name(const struct vehicle_ca *job, char name[128])
{
    const STACK_OF(X509) *file = job->chain->file;

    vehicle_ca_name(sk_X509_value(file, sk_X509_num(file) - 1), name);
}

static int vehicle_ca_explain(const struct vehicle_ca *job, int code, struct fr_error *error)
{
    char top[128];

    switch (code) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
        return fr_error_set(error, "the server's certificate, or one in its chain, has expired, so "
                                   "vehicles would reject it; renew it");
    case X509_V_ERR_CERT_NOT_YET_VALID:
        return fr_error_set(error, "the server's certificate, or one in its chain, is not valid "
                                   "yet; check the clock of this computer");
    case X509_V_ERR_HOSTNAME_MISMATCH:
        return fr_error_set(error,
                            "the certificate is not for the host name \"%s\": vehicles would "
                            "reject it; set `tesla: hostname:` to a name in the certificate",
                            job->host);
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
        vehicle_ca_top_name(job, top);
        if (job->path != NULL)
            return fr_error_set(
                error,
                "no root in %s and no root of the system signed the server's "
                "certificate (its chain ends with \"%s\"); add its root to the file",
                job->path, top);
        return fr_error_set(error,
                            "the server's certificate is of a private CA, or its chain is "
                            "incomplete (it ends with \"%s\"); use a certificate of a public CA "
                            "with its whole chain, or name the file of the private root in `tesla: "
                            "ca:`",
                            top);
    default:
        return fr_error_set(error, "vehicles would reject the server's certificate: %s",
                            X509_verify_cert_error_string(code));
    }
}

/* Verify the server's certificate with the certificates that the server sends, and these anchors. */
static int vehicle_ca_verify(const struct vehicle_ca *job, X509_STORE *anchors,
                             struct fr_error *error)
{
    int code = fr_ca_verify(job->chain->certificate, job->chain->file, anchors, job->host, NULL);

    return code == X509_V_OK ? 0 : vehicle_ca_explain(job, code, error);
}

/* Verify as a vehicle does: with the bundle alone. */
static int vehicle_ca_verify_alone(const struct vehicle_ca *job, struct fr_error *error)
{
    int code =
        fr_ca_verify_list(job->chain->certificate, job->chain->file, job->bundle, job->host, NULL);

    return code == X509_V_OK ? 0 : vehicle_ca_explain(job, code, error);
}

/* ---- the bundle ------------------------------------------------------------------- */

/* Read `path` and prepare the trusted store. */
static int vehicle_ca_open(struct vehicle_ca *job, struct fr_error *error)
{
    struct fr_error cause;

    job->bundle = sk_X509_new_null();
    job->trusted = X509_STORE_new();
    job->search = X509_STORE_CTX_new();
    if (job->path != NULL) {
        job->extra = fr_server_chain_read(job->path, &cause);
        if (job->extra == NULL)
            return fr_error_set(error, "tesla: ca: %s", cause.text);
    }
    if (job->bundle == NULL || job->trusted == NULL || job->search == NULL ||
        X509_STORE_set_default_paths(job->trusted) != 1)
        return fr_error_set(error, "OpenSSL cannot read the roots of the system; install the "
                                   "package ca-certificates");
    for (int i = 0; i < sk_X509_num(job->extra); i++)
        X509_STORE_add_cert(job->trusted, sk_X509_value(job->extra, i));
    X509_STORE_CTX_init(job->search, job->trusted, NULL, NULL);
    return 0;
}

/* Add the other roots of the CAs whose roots are in the bundle, if the system has them: a renewed
 * certificate is often below another root of the same CA. */
static void vehicle_ca_add_siblings(struct vehicle_ca *job)
{
    int count = sk_X509_num(job->bundle);

    for (int i = 0; i < count; i++) {
        X509 *root = sk_X509_value(job->bundle, i);
        STACK_OF(X509) *siblings =
            X509_self_signed(root, 0) == 1 ? fr_system_roots_like(root) : NULL;

        /* An owner's root may have any name: only a root of the system has siblings. */
        for (int j = 0; fr_ca_has(siblings, root) && j < sk_X509_num(siblings); j++)
            vehicle_ca_add(job, sk_X509_value(siblings, j));
        sk_X509_pop_free(siblings, X509_free);
    }
}

static void vehicle_ca_collect(struct vehicle_ca *job)
{
    for (int i = 0; i < sk_X509_num(job->extra); i++)
        vehicle_ca_add(job, sk_X509_value(job->extra, i));
    vehicle_ca_climb(job, job->chain->certificate);
    /* A self-signed server certificate that `path` names is its own root, and already there. The
     * list grows while the loop runs; FR_VEHICLE_CA_MAX bounds it. */
    for (int i = 0; i < sk_X509_num(job->bundle); i++)
        vehicle_ca_climb(job, sk_X509_value(job->bundle, i));
    vehicle_ca_add_siblings(job);
}

char *fr_vehicle_ca_make(const struct fr_server_chain *chain, const char *path, const char *host,
                         struct fr_error *error)
{
    struct vehicle_ca job = {.chain = chain, .path = path, .host = host};
    char *text = NULL;

    /* OpenSSL's verification takes "" for no host name, and ".example.com" for each name below. */
    if (!fr_server_chain_covers(chain, host)) {
        vehicle_ca_explain(&job, X509_V_ERR_HOSTNAME_MISMATCH, error);
        return NULL;
    }
    if (vehicle_ca_open(&job, error) == 0 && vehicle_ca_verify(&job, job.trusted, error) == 0) {
        vehicle_ca_collect(&job);
        if (vehicle_ca_verify_alone(&job, error) == 0) {
            text = fr_ca_text(job.bundle);
            if (text == NULL)
                fr_error_set(error, "OpenSSL cannot write the CA certificates as PEM");
        }
    }
    sk_X509_pop_free(job.extra, X509_free);
    sk_X509_pop_free(job.bundle, X509_free);
    X509_STORE_CTX_free(job.search);
    X509_STORE_free(job.trusted);
    ERR_clear_error();
    return text;
}

/* ---- display ---------------------------------------------------------------------- */

static int64_t vehicle_ca_seconds(const ASN1_TIME *time)
{
    ASN1_TIME *epoch = ASN1_TIME_set(NULL, 0);
    int days = 0, seconds = 0;

    if (epoch != NULL)
        ASN1_TIME_diff(&days, &seconds, epoch, time);
    ASN1_TIME_free(epoch);
    return (int64_t)days * 86400 + seconds;
}

size_t fr_vehicle_ca_entries(const char *ca, struct fr_vehicle_ca_entry *entries)
{
    BIO *in = BIO_new_mem_buf(ca, -1);
    X509 *certificate;
    size_t count = 0;

    while (in != NULL && count < FR_VEHICLE_CA_MAX &&
           (certificate = PEM_read_bio_X509(in, NULL, fr_no_passphrase, NULL)) != NULL) {
        vehicle_ca_name(certificate, entries[count].name);
        entries[count].expires_s = vehicle_ca_seconds(X509_get0_notAfter(certificate));
        entries[count++].is_root = X509_self_signed(certificate, 0) == 1;
        X509_free(certificate);
    }
    BIO_free(in);
    ERR_clear_error();
    return count;
}
