#include "daemon/certificates.h"

#include <string.h>

#include "daemon/published_key.h"
#include "daemon/settings.h"
#include "ingest/tls.h"
#include "util/clock.h"
#include "util/log.h"

#define REPEAT_MS 86400000 /* a day: between two log lines about the certificate in force */

bool fr_certificate_is_worse(const SSL_CTX *current, const SSL_CTX *changed)
{
    return fr_tls_valid_now(current) && !fr_tls_valid_now(changed);
}

bool fr_daemon_defers_certificate(struct fr_daemon *d, const struct fr_server_config *server,
                                  const SSL_CTX *changed)
{
    return fr_deferred_certificate_check(&d->deferred, &server->tesla, d->upkeep, d->setup->tls,
                                         changed);
}

static void certificates_use(struct fr_daemon *d, SSL_CTX *context)
{
    struct fr_ingest_settings settings = fr_settings_ingest(d->setup);

    SSL_CTX_free(d->setup->tls);
    d->setup->tls = context;
    fr_ingest_update(d->ingest, &settings, context, d->routes);
}

/* The certificate in force stays; a changed CA bundle and changed revocation lists do not wait. */
static void certificates_use_others(struct fr_daemon *d, const struct fr_tls_files *files)
{
    struct fr_error error;
    SSL_CTX *context = fr_tls_context_serving(files, d->setup->tls, &error);

    if (context == NULL) {
        fr_log(FR_LOG_WARNING, "the changed TLS files cannot be used: %s", error.text);
        d->files_fingerprint = -1;
        return;
    }
    certificates_use(d, context);
}

void fr_daemon_check_certificate(struct fr_daemon *d)
{
    char why[FR_CERTIFICATE_AGE_SIZE];
    enum fr_certificate_age age = fr_certificate_age(d->setup->tls, fr_wall_ms() / 1000, why);
    int64_t now_ms = fr_monotonic_ms();

    if (age == d->certificate_logged &&
        (age == FR_CERTIFICATE_VALID || now_ms - d->certificate_logged_ms < REPEAT_MS))
        return;
    if (age != FR_CERTIFICATE_VALID)
        fr_log(FR_LOG_ERROR, "the server certificate %s: %s", d->setup->server->certificate, why);
    d->certificate_logged = age;
    d->certificate_logged_ms = now_ms;
}

void fr_daemon_refresh_certificates(struct fr_daemon *d)
{
    static struct fr_log_limit limit;
    const struct fr_server_config *c = d->setup->server;
    struct fr_tls_files files = {c->certificate, c->key, c->vehicle_ca, c->crl};
    int64_t fingerprint = fr_tls_files_fingerprint(&files);
    bool changed = fingerprint != d->files_fingerprint;
    struct fr_error error;
    SSL_CTX *context;

    if (!changed && !fr_deferred_certificate_is_due(&d->deferred))
        return;
    d->files_fingerprint = fingerprint;
    context = fr_tls_context(&files, &error);
    if (context == NULL) {
        /* During a renewal the certificate and the key may not match; the next call tries again. */
        fr_log(FR_LOG_WARNING,
               "the changed TLS files cannot be used: %s; the ones in force stay until all files "
               "match",
               error.text);
        d->files_fingerprint = -1;
        return;
    }
    if (fr_certificate_is_worse(d->setup->tls, context)) {
        fr_log_limited(&limit, FR_LOG_ERROR,
                       "%s: the changed certificate has expired or is not valid yet; the one in "
                       "force stays until the file is replaced",
                       c->certificate);
        SSL_CTX_free(context);
        d->files_fingerprint = -1; /* the certificate may become valid later */
        return;
    }
    if (fr_daemon_defers_certificate(d, c, context)) {
        SSL_CTX_free(context);
        if (changed)
            certificates_use_others(d, &files);
        return;
    }
    certificates_use(d, context);
    fr_log(FR_LOG_NOTICE,
           "the certificate, the key, the CA bundle and the revocation lists were read again");
}

void fr_daemon_refresh_public_key(struct fr_daemon *d)
{
    static struct fr_log_limit limit;
    struct fr_setup *setup = d->setup;
    struct fr_published_key *old = setup->public_key, *key;
    struct fr_ingest_settings settings;
    struct fr_error error;

    if (setup->server->public_key == NULL)
        return;
    if (fr_published_key_read(setup->server->public_key, &key, &error) != 0) {
        fr_log_limited(&limit, FR_LOG_WARNING, "tls: public_key: %s; %s", error.text,
                       old != NULL ? "the former key is still served" : "no key is served");
        return;
    }
    if ((key == NULL && old == NULL) ||
        (key != NULL && old != NULL && strcmp(key->pem, old->pem) == 0)) {
        fr_published_key_free(key);
        return;
    }
    setup->public_key = key;
    settings = fr_settings_ingest(setup);
    fr_ingest_update(d->ingest, &settings, setup->tls, d->routes);
    fr_published_key_free(old);
    if (key != NULL)
        fr_log(FR_LOG_NOTICE, "the public key %s is served, SHA-256 %s", setup->server->public_key,
               key->sha256);
    else
        fr_log(FR_LOG_WARNING, "%s was deleted: no public key is served",
               setup->server->public_key);
}
