#include "sim/test_pki.h"

#include <errno.h>
#include <stdbool.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/memory.h"

#define ISSUER "Tesla Motors Product Issuing CA"
#define VEHICLE_USAGE "clientAuth,1.3.6.1.4.1.49279.2.5.1"
#define DAY 86400L

struct pki_signer {
    X509 *certificate;
    EVP_PKEY *key;
};

struct fr_pki {
    struct pki_signer vehicles, servers;
    EVP_PKEY *vehicle_key; /* shared by all vehicles */
};

static int pki_error(struct fr_error *error, const char *what)
{
    const char *reason = ERR_reason_error_string(ERR_peek_last_error());

    fr_error_set(error, "%s: %s", what,
                 reason != NULL ? reason
                 : errno != 0   ? strerror(errno)
                                : "OpenSSL failed");
    ERR_clear_error();
    return -1;
}

/* ---- certificates ---------------------------------------------------------------- */

static void pki_set_name(X509 *certificate, const char *what, const char *name)
{
    X509_NAME *subject = X509_get_subject_name(certificate);

    X509_NAME_add_entry_by_txt(subject, what, MBSTRING_UTF8, (const unsigned char *)name, -1, -1,
                               0);
}

static int pki_add_extension(X509 *certificate, const X509 *issuer, int nid, const char *value)
{
    X509_EXTENSION *extension;
    X509V3_CTX context;
    int status;

    X509V3_set_ctx_nodb(&context);
    X509V3_set_ctx(&context, (X509 *)(uintptr_t)issuer, certificate, NULL, NULL, 0);
    extension = X509V3_EXT_nconf_nid(NULL, &context, nid, value);
    if (extension == NULL)
        return 0;
    status = X509_add_ext(certificate, extension, -1);
    X509_EXTENSION_free(extension);
    return status;
}

X509 *fr_pki_certificate(const struct fr_pki_request *request)
{
    X509 *certificate = X509_new();
    const X509 *issuer = request->issuer != NULL ? request->issuer : certificate;
    uint64_t serial = 0;
    int good;

    if (certificate == NULL)
        return NULL;
    RAND_bytes((unsigned char *)&serial, sizeof serial);
    X509_set_version(certificate, X509_VERSION_3);
    ASN1_INTEGER_set_uint64(X509_get_serialNumber(certificate), serial >> 1 | 1);
    X509_gmtime_adj(X509_getm_notBefore(certificate), request->from_s);
    X509_gmtime_adj(X509_getm_notAfter(certificate), request->until_s);
    X509_set_pubkey(certificate, request->key);
    pki_set_name(certificate, "CN", request->name);
    if (request->unit != NULL)
        pki_set_name(certificate, "OU", request->unit);
    X509_set_issuer_name(certificate, X509_get_subject_name(issuer));
    good = pki_add_extension(certificate, issuer, NID_basic_constraints,
                             request->authority ? "critical,CA:TRUE" : "CA:FALSE") &&
           pki_add_extension(certificate, issuer, NID_subject_key_identifier, "hash");
    good =
        good && pki_add_extension(certificate, issuer, NID_key_usage,
                                  request->authority ? "keyCertSign,cRLSign" : "digitalSignature");
    if (request->usage != NULL)
        good = good && pki_add_extension(certificate, issuer, NID_ext_key_usage, request->usage);
    if (request->alternative != NULL)
        good = good &&
               pki_add_extension(certificate, issuer, NID_subject_alt_name, request->alternative);
    if (!good ||
        !X509_sign(certificate, request->issuer != NULL ? request->issuer_key : request->key,
                   EVP_sha256())) {
        X509_free(certificate);
        return NULL;
    }
    return certificate;
}

/* Make a certificate for `key`, signed by `by` (NULL: self-signed). The times are in s from now. */
static X509 *pki_make(const char *name, EVP_PKEY *key, const struct pki_signer *by, bool authority,
                      const char *usage, const char *alternative, long from_s, long until_s)
{
    struct fr_pki_request request = {
        .name = name,
        .key = key,
        .issuer = by != NULL ? by->certificate : NULL,
        .issuer_key = by != NULL ? by->key : NULL,
        .authority = authority,
        .usage = usage,
        .alternative = alternative,
        .from_s = from_s,
        .until_s = until_s,
    };

    return fr_pki_certificate(&request);
}

/* ---- files ----------------------------------------------------------------------- */

static int pki_save(const char *folder, const char *name, X509 *certificate, X509 *second,
                    EVP_PKEY *key, struct fr_error *error)
{
    char *pem = fr_asprintf("%s/%s.pem", folder, name),
         *secret = fr_asprintf("%s/%s.key", folder, name);
    FILE *file = fopen(pem, "w");
    int good = file != NULL && PEM_write_X509(file, certificate) &&
               (second == NULL || PEM_write_X509(file, second));

    if (file != NULL && fclose(file) != 0)
        good = 0;
    file = good ? fopen(secret, "w") : NULL;
    good = file != NULL && chmod(secret, 0600) == 0 &&
           PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL);
    if (file != NULL && fclose(file) != 0)
        good = 0;
    if (!good)
        pki_error(error, pem);
    free(pem);
    free(secret);
    return good ? 0 : -1;
}

static int pki_load(const char *folder, const char *name, struct pki_signer *signer)
{
    char *pem = fr_asprintf("%s/%s.pem", folder, name),
         *secret = fr_asprintf("%s/%s.key", folder, name);
    FILE *file = fopen(pem, "r");

    if (file != NULL) {
        signer->certificate = PEM_read_X509(file, NULL, NULL, NULL);
        fclose(file);
    }
    file = fopen(secret, "r");
    if (file != NULL) {
        signer->key = PEM_read_PrivateKey(file, NULL, NULL, NULL);
        fclose(file);
    }
    free(pem);
    free(secret);
    ERR_clear_error();
    return signer->certificate != NULL && signer->key != NULL ? 0 : -1;
}

static int pki_make_authority(const char *folder, const char *file, const char *name,
                              struct pki_signer *signer, struct fr_error *error)
{
    signer->key = EVP_EC_gen("P-256");
    if (signer->key != NULL)
        signer->certificate = pki_make(name, signer->key, NULL, true, NULL, NULL, -DAY, 3650 * DAY);
    if (signer->certificate == NULL)
        return pki_error(error, "cannot make a test CA");
    return pki_save(folder, file, signer->certificate, NULL, signer->key, error);
}

static int pki_make_server(struct fr_pki *pki, const char *folder, const char *host,
                           struct fr_error *error)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    char *names =
        fr_asprintf("DNS:localhost,IP:127.0.0.1,IP:::1%s%s", host ? ",DNS:" : "", host ? host : "");
    X509 *certificate = key != NULL ? pki_make("fleetroute test server", key, &pki->servers, false,
                                               "serverAuth", names, -DAY, 3650 * DAY)
                                    : NULL;
    int status = certificate != NULL
                     ? pki_save(folder, "server", certificate, pki->servers.certificate, key, error)
                     : pki_error(error, "cannot make a test server certificate");

    X509_free(certificate);
    EVP_PKEY_free(key);
    free(names);
    return status;
}

struct fr_pki *fr_pki_open(const char *folder, const char *host, struct fr_error *error)
{
    struct fr_pki *pki = fr_calloc(1, sizeof *pki);

    if (mkdir(folder, 0755) != 0 && errno != EEXIST) {
        fr_error_set(error, "%s: %s", folder, strerror(errno));
        goto failed;
    }
    if (pki_load(folder, "vehicle-ca", &pki->vehicles) != 0 ||
        pki_load(folder, "server-ca", &pki->servers) != 0) {
        if (pki_make_authority(folder, "vehicle-ca", ISSUER, &pki->vehicles, error) != 0 ||
            pki_make_authority(folder, "server-ca", "fleetroute test CA", &pki->servers, error) !=
                0 ||
            pki_make_server(pki, folder, host, error) != 0)
            goto failed;
    }
    pki->vehicle_key = EVP_EC_gen("P-256");
    if (pki->vehicle_key == NULL) {
        fr_error_set(error, "OpenSSL cannot generate a key");
        goto failed;
    }
    return pki;
failed:
    fr_pki_free(pki);
    return NULL;
}

void fr_pki_free(struct fr_pki *pki)
{
    if (pki == NULL)
        return;
    X509_free(pki->vehicles.certificate);
    EVP_PKEY_free(pki->vehicles.key);
    X509_free(pki->servers.certificate);
    EVP_PKEY_free(pki->servers.key);
    EVP_PKEY_free(pki->vehicle_key);
    free(pki);
}

/* ---- vehicles -------------------------------------------------------------------- */

static X509 *pki_make_vehicle(struct fr_pki *pki, const char *vin, enum fr_pki_flaw flaw)
{
    struct pki_signer foreign = {NULL, NULL};
    const struct pki_signer *by = &pki->vehicles;
    const char *usage = flaw == FR_PKI_NO_IDENTITY   ? "clientAuth"
                        : flaw == FR_PKI_SERVER_ONLY ? "serverAuth,1.3.6.1.4.1.49279.2.5.1"
                                                     : VEHICLE_USAGE;
    X509 *certificate;

    if (flaw == FR_PKI_FOREIGN) {
        foreign.key = EVP_EC_gen("P-256");
        foreign.certificate =
            pki_make(ISSUER, foreign.key, NULL, true, NULL, NULL, -DAY, 365 * DAY);
        by = &foreign;
    }
    certificate = pki_make(vin, pki->vehicle_key, by, false, usage, NULL, -30 * DAY,
                           flaw == FR_PKI_EXPIRED ? -DAY : 365 * DAY);
    X509_free(foreign.certificate);
    EVP_PKEY_free(foreign.key);
    return certificate;
}

SSL_CTX *fr_pki_vehicle(struct fr_pki *pki, const char *vin, enum fr_pki_flaw flaw,
                        struct fr_error *error)
{
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    X509 *certificate = pki_make_vehicle(pki, vin, flaw);

    if (context == NULL || certificate == NULL ||
        SSL_CTX_use_certificate(context, certificate) != 1 ||
        SSL_CTX_use_PrivateKey(context, pki->vehicle_key) != 1 ||
        X509_STORE_add_cert(SSL_CTX_get_cert_store(context), pki->servers.certificate) != 1) {
        pki_error(error, "cannot make a vehicle's TLS context");
        SSL_CTX_free(context);
        context = NULL;
    } else {
        SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
        SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
        SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    }
    X509_free(certificate);
    return context;
}

int fr_pki_export(struct fr_pki *pki, const char *vin, enum fr_pki_flaw flaw, const char *folder,
                  struct fr_error *error)
{
    X509 *certificate = pki_make_vehicle(pki, vin, flaw);
    int status;

    if (certificate == NULL)
        return pki_error(error, "cannot make a vehicle's certificate");
    status = pki_save(folder, vin, certificate, NULL, pki->vehicle_key, error);
    X509_free(certificate);
    return status;
}
