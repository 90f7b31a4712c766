/*
 * Reads what the telemetry configuration is derived from: routing.yaml and the chain of the server's
 * certificate. Mistakes are appended to the diagnostics with their position.
 */
#ifndef FR_VEHICLE_CONFIG_LOAD_H
#define FR_VEHICLE_CONFIG_LOAD_H

#include "config/diagnostics.h"
#include "config/server_config.h"
#include "fleet_api/server_chain.h"
#include "fleet_api/vehicle_config.h"

/* Read the routing of `server`, derive the configuration and check it. Returns the routing, of which
 * the caller owns one reference, or NULL: it cannot be read, and `config` is empty. The caller frees
 * `config` with fr_vehicle_config_free(). */
struct fr_routing *fr_vehicle_config_load(struct fr_vehicle_config *config,
                                          const struct fr_server_config *server,
                                          struct fr_diagnostics *diagnostics);

/* Read the chain of the server's certificate, and check that the certificate is for the host name that
 * vehicles dial: `host`, else `tesla: hostname`, `tesla: domain`, the only name in the certificate.
 * Returns the name, which belongs to `host`, `server` or `chain`, or NULL. The caller frees `chain`
 * with fr_server_chain_free() in both cases. */
const char *fr_vehicle_config_load_chain(struct fr_server_chain *chain,
                                         const struct fr_server_config *server, const char *host,
                                         struct fr_diagnostics *diagnostics);

/* Check that the owner granted the scopes that the fields need, as far as this user can read the
 * tokens. */
void fr_vehicle_config_check_scopes(const struct fr_vehicle_config *config,
                                    const struct fr_server_config *server,
                                    enum fr_severity severity, struct fr_diagnostics *diagnostics);

#endif
