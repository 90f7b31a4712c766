#include "daemon/admin_certificate.h"

#include "ingest/tls.h"
#include "util/log.h"

void fr_daemon_refresh_admin_certificate(struct fr_daemon *d)
{
    static struct fr_log_limit limit;
    const struct fr_server_config *c = d->setup->server;
    struct fr_tls_files files = {.certificate = c->admin_certificate, .key = c->admin_key};
    struct fr_error error;
    int64_t fingerprint;
    SSL_CTX *context;

    /* A reload may have removed or added the files, which takes effect at the next start. */
    if (!d->admin_tls || files.certificate == NULL || files.key == NULL)
        return;
    fingerprint = fr_tls_files_fingerprint(&files);
    if (fingerprint == d->admin_fingerprint)
        return;
    context = fr_tls_server_context(files.certificate, files.key, &error);
    if (context == NULL) {
        /* During a renewal the certificate and the key may not match. */
        fr_log_limited(&limit, FR_LOG_WARNING,
                       "admin: tls: the changed files cannot be used: %s; the ones in force stay "
                       "until both match",
                       error.text);
        d->admin_fingerprint = -1;
        return;
    }
    d->admin_fingerprint = fingerprint;
    fr_http_admin_set_tls(d->admin, context);
    SSL_CTX_free(context);
    fr_log(FR_LOG_NOTICE, "admin: tls: the certificate and the key were read again");
}
