/*
 * setup.h - the configuration, read and checked, with the plugins and the TLS context that it
 * names.
 *
 * The daemon starts from a setup; `fleetroute check` only loads one. Main thread.
 */
#ifndef FR_SETUP_H
#define FR_SETUP_H

#include <openssl/ssl.h>

#include "config/diagnostics.h"
#include "config/routing_config.h"
#include "config/server_config.h"
#include "sink/sink.h"
#include "source/source.h"

struct fr_published_key;

struct fr_setup {
    struct fr_server_config *server; /* NULL: the file cannot be read */
    struct fr_routing *routing;
    SSL_CTX *tls;
    SSL_CTX *admin_tls;                  /* of the admin listener; NULL: it is not encrypted */
    struct fr_published_key *public_key; /* NULL: none is served */
    int64_t tls_fingerprint;             /* fr_tls_files_fingerprint() before `tls` was loaded */
    int64_t admin_tls_fingerprint;       /* the same of `admin_tls` */
    struct fr_sink **sinks;     /* server->sink_count of them, not started; elements may be NULL */
    struct fr_source **sources; /* server->source_count of them, likewise */
    struct fr_diagnostics diagnostics;
};

/* Read the server configuration `path` and the files that it names. Returns a setup in every case;
 * it is usable only if setup->diagnostics.errors is 0. The caller frees it. */
struct fr_setup *fr_setup_load(const char *path);

/* Report a server certificate that has expired or is not valid yet (error), or expires soon (warning)
 * at the position of `tls: certificate:`. Loading does not report it: the daemon starts with such a
 * certificate, and logs it. Nothing if the TLS files could not be read. */
void fr_setup_check_certificate(struct fr_setup *setup);

/* Free a setup with its sinks and sources, which must be stopped or never started. NULL is
 * ignored. */
void fr_setup_free(struct fr_setup *setup);

#endif
