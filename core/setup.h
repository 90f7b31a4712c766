/*
 * setup.h - everything that the files say, read, checked and put together: the daemon starts
 * from it, and `fleetroute check` is nothing but making one.
 */
#ifndef FR_SETUP_H
#define FR_SETUP_H

#include <openssl/ssl.h>

#include "config/diagnostics.h"
#include "config/routing_config.h"
#include "config/server_config.h"
#include "sink/sink.h"
#include "source/source.h"

struct fr_setup {
    struct fr_server_config *server;
    struct fr_routing *routing;
    SSL_CTX *tls;
    int64_t tls_mark;           /* fr_tls_files_mark() before `tls` was made */
    struct fr_sink **sinks;     /* one for each of server->sinks; not started */
    struct fr_source **sources; /* likewise */
    struct fr_diagnostics diagnostics;
};

/* Read `path` and what it names. Always returns a setup; it can be used only when its
 * diagnostics have no errors. */
struct fr_setup *fr_setup_load(const char *path);

/* Free it, its sinks (which must be stopped) included. */
void fr_setup_free(struct fr_setup *setup);

#endif
