/*
 * The CA certificates that a vehicle gets in `ca` of its telemetry configuration, and the check that a
 * vehicle with these alone accepts this server.
 */
#ifndef FR_VEHICLE_CA_H
#define FR_VEHICLE_CA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fleet_api/ca_verify.h"
#include "fleet_api/server_chain.h"
#include "util/error.h"

/* Max certificates in `ca`. */
#define FR_VEHICLE_CA_MAX FR_CA_MAX

/* Make `ca` as PEM: the certificates of the file `path` (NULL: none), then every certificate of the
 * server's file, of `path` and of the system's roots that is above the server's certificate on any
 * path, cross-signed ones too, then the system's other roots of the same organisations
 * (system_roots.h). So a vehicle also accepts a renewed certificate below another root of the same CA,
 * and one below a root in the file.
 *
 * The server's certificate must verify now, for `host` and with the certificates of `ca` alone. The
 * root must be a root of the system or in `path`: a vehicle can verify another root too, but a
 * private CA is a decision of the owner. Returns the text, which the caller frees, or NULL with the
 * cause and the remedy in `error`. */
char *fr_vehicle_ca_make(const struct fr_server_chain *chain, const char *path, const char *host,
                         struct fr_error *error);

/* A certificate of `ca`, for display. */
struct fr_vehicle_ca_entry {
    char name[128];    /* common name, else organisation; printable ASCII */
    int64_t expires_s; /* s since 1970 */
    bool is_root;
};

/* Read the certificates of `ca`. `entries` has FR_VEHICLE_CA_MAX places. Returns their number. */
size_t fr_vehicle_ca_entries(const char *ca, struct fr_vehicle_ca_entry *entries);

#endif
