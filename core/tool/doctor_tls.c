#include "tool/doctor_tls.h"

#include <errno.h>
#include <jansson.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "fleet_api/vehicle_ca.h"
#include "tool/control_client.h"
#include "util/memory.h"
#include "util/network.h"
#include "util/no_passphrase.h"

#define EXPIRY_WARNING_DAYS 21

static X509 *tls_offered(const struct fr_doctor *doctor)
{
    return sk_X509_value(doctor->handshake.chain, 0);
}

/* ---- handshake ------------------------------------------------------------------- */

/* The addresses of the daemon's own listener. */
static int tls_find_listener(const struct fr_doctor *doctor, struct fr_doctor_addresses *addresses)
{
    const char *address = doctor->server->address;
    struct fr_error error;

    if (address == NULL || address[0] == '\0' || strcmp(address, "0.0.0.0") == 0)
        address = "127.0.0.1";
    else if (strcmp(address, "::") == 0)
        address = "::1";
    return fr_doctor_resolve(address, doctor->server->port, FR_DOCTOR_STEP_MS, addresses, &error);
}

/* The daemon's own listener expects a PROXY header of the addresses in listen.proxy_protocol, which are
 * those of this machine if the load balancer runs here. Send one that has no address. */
static void tls_introduce(const struct fr_doctor *doctor, int fd)
{
    static const uint8_t header[16] = {'\r', '\n', '\r', '\n', '\0', '\r', '\n',
                                       'Q',  'U',  'I',  'T',  '\n', 0x20}; /* version 2, LOCAL */
    struct sockaddr_storage address = {.ss_family = AF_UNSPEC};
    socklen_t len = sizeof address;

    if (getsockname(fd, (struct sockaddr *)&address, &len) == 0 &&
        fr_networks_contain(doctor->server->proxies, doctor->server->proxy_count, &address))
        send(fd, header, sizeof header, MSG_NOSIGNAL);
}

/* Shake hands with the first address that accepts a connection; `is_listener`: it is the daemon's own.
 * Returns -1 with `error` set. */
static int tls_shake_hands(const struct fr_doctor *doctor,
                           const struct fr_doctor_addresses *addresses, bool is_listener,
                           struct fr_doctor_handshake *handshake, struct fr_error *error)
{
    const char *name = doctor->public_name != NULL ? doctor->public_name : "localhost";
    int fd = -1, status;

    for (size_t i = 0; i < addresses->count && fd < 0; i++)
        fd = fr_doctor_connect(&addresses->list[i], FR_DOCTOR_STEP_MS / (int64_t)addresses->count);
    if (fd < 0)
        return fr_error_set(error, "%s", strerror(errno));
    if (is_listener)
        tls_introduce(doctor, fd);
    status = fr_doctor_shake_hands(fd, name, FR_DOCTOR_STEP_MS, handshake, error);
    close(fd);
    return status;
}

/* Through the public name or, if it cannot be reached from here, at the daemon's listener. */
static void tls_check_handshake(struct fr_doctor *doctor)
{
    enum fr_doctor_level port = fr_doctor_level_of(doctor, "port");
    struct fr_doctor_addresses listener = {0};
    struct fr_error error;
    int status = -1;

    if (port == FR_DOCTOR_OK) {
        snprintf(doctor->endpoint, sizeof doctor->endpoint, "%s:%u", doctor->public_name,
                 doctor->server->tesla.port);
        status = tls_shake_hands(doctor, &doctor->addresses, false, &doctor->handshake, &error);
    } else {
        snprintf(doctor->endpoint, sizeof doctor->endpoint, "the listener on port %u",
                 doctor->server->port);
        if (tls_find_listener(doctor, &listener) != 0 ||
            (status = tls_shake_hands(doctor, &listener, true, &doctor->handshake, &error)) != 0) {
            fr_doctor_report(doctor, FR_DOCTOR_SKIPPED, NULL, NULL, "needs the link port");
            return;
        }
    }
    if (status == 0)
        fr_doctor_report(doctor, FR_DOCTOR_OK, NULL, NULL, "%s offers %d certificate%s",
                         doctor->endpoint, sk_X509_num(doctor->handshake.chain),
                         sk_X509_num(doctor->handshake.chain) == 1 ? "" : "s");
    else
        fr_doctor_report(doctor, FR_DOCTOR_FAILURE, NULL,
                         "check that fleetrouted runs and that this port belongs to it",
                         "no TLS handshake with %s: %s", doctor->endpoint, error.text);
}

/* ---- chain ----------------------------------------------------------------------- */

/* Whether the certificate's file completes what is offered. */
static bool tls_file_is_longer(const struct fr_doctor *doctor)
{
    char subject[256];
    STACK_OF(X509) *chain = sk_X509_dup(doctor->handshake.chain);
    bool is_complete = false;
    BIO *bio = doctor->chain.ca != NULL ? BIO_new_mem_buf(doctor->chain.ca, -1) : NULL;
    STACK_OF(X509_INFO) *infos =
        bio != NULL ? PEM_X509_INFO_read_bio(bio, NULL, fr_no_passphrase, NULL) : NULL;

    for (int i = 0; i < sk_X509_INFO_num(infos); i++)
        if (sk_X509_INFO_value(infos, i)->x509 != NULL)
            sk_X509_push(chain, sk_X509_INFO_value(infos, i)->x509);
    is_complete =
        fr_doctor_verify(chain, NULL, doctor->server->tesla.ca, false, subject) == X509_V_OK;
    sk_X509_INFO_pop_free(infos, X509_INFO_free);
    sk_X509_free(chain);
    BIO_free(bio);
    ERR_clear_error();
    return is_complete;
}

static bool tls_is_incomplete(int code)
{
    return code == X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT ||
           code == X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY ||
           code == X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE;
}

static void tls_report_chain(struct fr_doctor *doctor, int code, const char *subject)
{
    if (tls_is_incomplete(code))
        fr_doctor_report(
            doctor, FR_DOCTOR_FAILURE, NULL,
            tls_file_is_longer(doctor)
                ? "the file has them: run `fleetroute reload`, or remove the proxy in front"
                : "use the file with the whole chain (certbot: fullchain.pem); for a private CA, "
                  "name its root with `tesla: ca:`",
            "the chain offered by %s is incomplete: the issuer of %s is neither offered nor a "
            "trusted root",
            doctor->endpoint, subject);
    else if (code == X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN ||
             code == X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT)
        fr_doctor_report(doctor, FR_DOCTOR_FAILURE, NULL,
                         "get a certificate of a public CA, or name the private root with "
                         "`tesla: ca:`",
                         "%s: the root %s is private", doctor->endpoint, subject);
    else
        fr_doctor_report(doctor, FR_DOCTOR_FAILURE, NULL, "replace the certificate", "%s: %s: %s",
                         doctor->endpoint, subject, X509_verify_cert_error_string(code));
}

static void tls_check_chain(struct fr_doctor *doctor)
{
    char subject[256];
    int code =
        fr_doctor_verify(doctor->handshake.chain, NULL, doctor->server->tesla.ca, false, subject);

    if (code == X509_V_OK)
        fr_doctor_report(doctor, FR_DOCTOR_OK, NULL, NULL, "the chain offered by %s is complete",
                         doctor->endpoint);
    else if (code == X509_V_ERR_CERT_HAS_EXPIRED || code == X509_V_ERR_CERT_NOT_YET_VALID)
        fr_doctor_report(doctor, FR_DOCTOR_OK, NULL, NULL,
                         "the chain offered by %s is complete, but not valid now",
                         doctor->endpoint);
    else
        tls_report_chain(doctor, code, subject);
}

/* ---- expiry ---------------------------------------------------------------------- */

/* The certificate of the chain that expires first; *seconds gets the time left. */
static X509 *tls_first_to_expire(const struct fr_doctor *doctor, int64_t *seconds)
{
    X509 *first = NULL;

    for (int i = 0; i < sk_X509_num(doctor->handshake.chain); i++) {
        X509 *certificate = sk_X509_value(doctor->handshake.chain, i);
        int days, rest;

        if (ASN1_TIME_diff(&days, &rest, NULL, X509_get0_notAfter(certificate)) != 1)
            continue;
        if (first == NULL || (int64_t)days * FR_DOCTOR_DAY_S + rest < *seconds) {
            first = certificate;
            *seconds = (int64_t)days * FR_DOCTOR_DAY_S + rest;
        }
    }
    return first;
}

static void tls_report_expiry(struct fr_doctor *doctor, X509 *certificate, int64_t seconds)
{
    bool is_server = certificate == tls_offered(doctor);
    char subject[256], date[32] = "";
    struct tm until;
    long long days;

    X509_NAME_oneline(X509_get_subject_name(certificate), subject, sizeof subject);
    if (ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &until) == 1)
        strftime(date, sizeof date, "%Y-%m-%d", &until);
    days = (long long)((seconds < 0 ? -seconds : seconds) / FR_DOCTOR_DAY_S);
    if (seconds < 0)
        fr_doctor_report(doctor, FR_DOCTOR_FAILURE, NULL,
                         is_server ? "renew the certificate (certbot renew), then run `fleetroute "
                                     "reload`"
                                   : "replace the chain in the certificate's file",
                         "%s has expired on %s; vehicles refuse it", subject, date);
    else if (days < EXPIRY_WARNING_DAYS)
        fr_doctor_report(doctor, FR_DOCTOR_WARNING, NULL,
                         "check why it was not renewed (certbot renew); then run `fleetroute "
                         "reload`",
                         "%s expires on %s, in %lld days", subject, date, days);
    else
        fr_doctor_report(doctor, FR_DOCTOR_OK, NULL, NULL, "the chain is valid until %s, %lld days",
                         date, days);
}

static void tls_check_expiry(struct fr_doctor *doctor)
{
    int64_t seconds = 0;
    X509 *first = tls_first_to_expire(doctor, &seconds);

    if (X509_cmp_current_time(X509_get0_notBefore(tls_offered(doctor))) > 0)
        fr_doctor_report(doctor, FR_DOCTOR_FAILURE, NULL, "set the clock of this machine, or wait",
                         "the certificate is not valid yet by the clock of this machine");
    else if (first != NULL)
        tls_report_expiry(doctor, first, seconds);
}

/* ---- ca -------------------------------------------------------------------------- */

/* The CAs that `fleetroute push` sends to vehicles; NULL: `error` is set. The caller frees it. */
static char *tls_vehicle_ca(const struct fr_doctor *doctor, struct fr_error *error)
{
    if (doctor->chain.certificate == NULL) {
        *error = doctor->chain_error;
        return NULL;
    }
    if (doctor->public_name == NULL) {
        fr_error_set(error, "the public name is not known; set `tesla: domain:`");
        return NULL;
    }
    return fr_vehicle_ca_make(&doctor->chain, doctor->server->tesla.ca, doctor->public_name, error);
}

/* Report a daemon that serves the former certificate until vehicles have the CA of the renewed one.
 * The link `daemon`, which keeps the status, comes later. Returns false if there is none. */
static bool tls_report_deferred(struct fr_doctor *doctor)
{
    struct fr_error ignored; /* reported by the link `daemon` */
    json_t *status = fr_control_ask(doctor->server->control, "status", FR_DOCTOR_STEP_MS, &ignored);
    const json_t *deferred = json_object_get(status, "deferred_certificate");
    bool is_deferred = json_is_object(deferred);

    if (is_deferred)
        fr_doctor_report(
            doctor, FR_DOCTOR_WARNING, NULL,
            "wait: `fleetroute keep` pushes it, and fleetrouted serves the certificate when they "
            "have taken it, at the latest one day before the former one ends",
            "the renewed certificate waits until vehicles have its CA (%" JSON_INTEGER_FORMAT
            " would reject it)",
            json_integer_value(json_object_get(deferred, "vehicles")));
    json_decref(status);
    return is_deferred;
}

static void tls_check_ca(struct fr_doctor *doctor)
{
    STACK_OF(X509) *chain = doctor->handshake.chain;
    struct fr_error error;
    char *ca = tls_vehicle_ca(doctor, &error), subject[256];
    int code;

    if (ca == NULL) {
        fr_doctor_report(doctor, FR_DOCTOR_FAILURE, NULL, NULL, "no CA for vehicles: %s",
                         error.text);
        return;
    }
    code = fr_doctor_verify(chain, ca, NULL, false, subject);
    if (code == X509_V_OK || code == X509_V_ERR_CERT_HAS_EXPIRED)
        fr_doctor_report(doctor, FR_DOCTOR_OK, NULL, NULL,
                         "the `ca` that vehicles get verifies the chain that is offered");
    else if (fr_doctor_verify(chain, ca, NULL, true, subject) == X509_V_OK)
        fr_doctor_report(doctor, FR_DOCTOR_WARNING, NULL,
                         "append the root certificate to the certificate's file, or name it with "
                         "`tesla: ca:`",
                         "the `ca` that vehicles get ends below the root; some vehicles may "
                         "refuse the server");
    else if (!tls_report_deferred(doctor))
        fr_doctor_report(doctor, FR_DOCTOR_FAILURE, NULL,
                         "run `fleetroute reload` if the certificate was renewed; remove a proxy "
                         "in front; correct `tesla: ca:`",
                         "the `ca` that vehicles get does not verify the chain offered by %s: %s: "
                         "%s",
                         doctor->endpoint, subject, X509_verify_cert_error_string(code));
    free(ca);
}

/* ---- hostname, proxy, client_certificate ----------------------------------------- */

static void tls_check_hostname(struct fr_doctor *doctor)
{
    struct fr_server_chain offered = {.certificate = tls_offered(doctor)};

    if (doctor->public_name == NULL)
        fr_doctor_report(doctor, FR_DOCTOR_SKIPPED, NULL, NULL, "needs the link name");
    else if (fr_server_chain_covers(&offered, doctor->public_name))
        fr_doctor_report(doctor, FR_DOCTOR_OK, NULL, NULL,
                         "the certificate offered is for the name %s", doctor->public_name);
    else
        fr_doctor_report(doctor, FR_DOCTOR_FAILURE, NULL,
                         "get a certificate with this name among its subject alternative names, "
                         "or correct `tesla: hostname:`",
                         "the certificate offered by %s is not for the name %s", doctor->endpoint,
                         doctor->public_name);
}

/* Whether the daemon's own listener offers the same certificate as the public name: then nothing is
 * between them. */
static bool tls_listener_offers_same(const struct fr_doctor *doctor)
{
    struct fr_doctor_handshake direct = {0};
    struct fr_doctor_addresses listener;
    struct fr_error error;
    bool is_same = tls_find_listener(doctor, &listener) == 0 &&
                   tls_shake_hands(doctor, &listener, true, &direct, &error) == 0 &&
                   X509_cmp(sk_X509_value(direct.chain, 0), tls_offered(doctor)) == 0;

    fr_doctor_handshake_free(&direct);
    return is_same;
}

static bool tls_is_valid_now(X509 *certificate)
{
    return X509_cmp_current_time(X509_get0_notBefore(certificate)) < 0 &&
           X509_cmp_current_time(X509_get0_notAfter(certificate)) > 0;
}

static void tls_report_earlier(struct fr_doctor *doctor, const char *file)
{
    if (tls_report_deferred(doctor))
        return;
    if (tls_is_valid_now(doctor->chain.certificate))
        fr_doctor_report(doctor, FR_DOCTOR_WARNING, NULL, "run `fleetroute reload`",
                         "fleetrouted still offers an earlier certificate than that of %s", file);
    else
        fr_doctor_report(doctor, FR_DOCTOR_WARNING, NULL,
                         "renew the certificate, then run `fleetroute reload`",
                         "the certificate of %s is not valid now, so fleetrouted offers the "
                         "earlier certificate",
                         file);
}

static void tls_check_proxy(struct fr_doctor *doctor)
{
    const char *file = doctor->server->certificate;

    if (doctor->chain.certificate == NULL)
        fr_doctor_report(doctor, FR_DOCTOR_SKIPPED, NULL, NULL,
                         "the certificate's file cannot be read: %s", doctor->chain_error.text);
    else if (X509_cmp(doctor->chain.certificate, tls_offered(doctor)) == 0)
        fr_doctor_report(doctor, FR_DOCTOR_OK, NULL, NULL,
                         "%s offers the certificate of %s: no proxy terminates TLS",
                         doctor->endpoint, file);
    else if (tls_listener_offers_same(doctor))
        tls_report_earlier(doctor, file);
    else
        fr_doctor_report(doctor, FR_DOCTOR_FAILURE, NULL,
                         "forward the TCP connection unchanged (nginx: stream with ssl_preread; "
                         "Traefik: TCP router with passthrough; Cloudflare: DNS only)",
                         "%s does not offer the certificate of %s: a proxy terminates TLS, so "
                         "vehicles' certificates cannot reach fleetrouted%s",
                         doctor->endpoint, file,
                         doctor->is_own_address
                             ? ""
                             : "; or the router answers connections from inside by itself");
}

/* The first CA of the file that is not among the names that the server sent; NULL: none. The caller
 * frees the name. */
static char *tls_missing_issuer(const struct fr_doctor_handshake *handshake, const char *file)
{
    STACK_OF(X509_NAME) *expected = SSL_load_client_CA_file(file);
    char *missing = NULL;

    for (int i = 0; i < sk_X509_NAME_num(expected) && missing == NULL; i++) {
        const X509_NAME *name = sk_X509_NAME_value(expected, i);
        bool is_sent = false;

        for (int n = 0; n < sk_X509_NAME_num(handshake->issuers) && !is_sent; n++)
            is_sent = X509_NAME_cmp(name, sk_X509_NAME_value(handshake->issuers, n)) == 0;
        if (!is_sent) {
            char text[256];

            missing = fr_strdup(X509_NAME_oneline(name, text, sizeof text));
        }
    }
    sk_X509_NAME_pop_free(expected, X509_NAME_free);
    ERR_clear_error();
    return missing;
}

static void tls_check_client_certificate(struct fr_doctor *doctor)
{
    const struct fr_doctor_handshake *handshake = &doctor->handshake;
    int count = sk_X509_NAME_num(handshake->issuers);
    const char *file = doctor->server->vehicle_ca;
    char *missing;

    if (!handshake->asks_certificate) {
        fr_doctor_report(doctor, FR_DOCTOR_FAILURE, NULL,
                         "forward the TCP connection unchanged to fleetrouted",
                         "%s asks for no client certificate, so vehicles cannot prove their VIN",
                         doctor->endpoint);
        return;
    }
    missing = count > 0 && file != NULL ? tls_missing_issuer(handshake, file) : NULL;
    if (missing != NULL)
        fr_doctor_report(doctor, FR_DOCTOR_WARNING, NULL,
                         "run `fleetroute reload` if `tls: vehicle_ca:` was changed",
                         "%s asks for client certificates, but not of %s, which is in %s",
                         doctor->endpoint, missing, file);
    else
        fr_doctor_report(doctor, FR_DOCTOR_OK, NULL, NULL,
                         "%s asks for client certificates, with %d CA name%s", doctor->endpoint,
                         count > 0 ? count : 0, count == 1 ? "" : "s");
    free(missing);
}

const struct fr_doctor_check fr_doctor_tls[] = {
    {"tls", "there is a TLS server", {"config"}, true, tls_check_handshake},
    {"chain", "the chain offered is complete", {"tls"}, false, tls_check_chain},
    {"expiry", "the chain offered is valid now", {"tls"}, false, tls_check_expiry},
    {"ca", "vehicles can verify the chain", {"tls"}, false, tls_check_ca},
    {"hostname", "the certificate is for the public name", {"tls"}, false, tls_check_hostname},
    {"proxy", "no proxy terminates TLS", {"tls"}, true, tls_check_proxy},
    {"client_certificate",
     "the server asks for a client certificate",
     {"tls"},
     false,
     tls_check_client_certificate},
    {0},
};
