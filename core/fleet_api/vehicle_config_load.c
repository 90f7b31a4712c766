#include "fleet_api/vehicle_config_load.h"

#include <stdlib.h>

#include "config/routing_config.h"
#include "fleet_api/tokens.h"
#include "fleet_api/vehicle_config_lint.h"
#include "util/memory.h"

struct fr_routing *fr_vehicle_config_load(struct fr_vehicle_config *config,
                                          const struct fr_server_config *server,
                                          struct fr_diagnostics *diagnostics)
{
    const char **names = fr_calloc(server->sink_count + 1, sizeof(const char *));
    struct fr_routing *routing;

    *config = (struct fr_vehicle_config){0};
    for (size_t i = 0; i < server->sink_count; i++)
        names[i] = server->sinks[i].name;
    routing = fr_routing_load(server->routing, names, server->sink_count, diagnostics);
    free(names);
    if (routing == NULL)
        return NULL;
    fr_vehicle_config_derive(config, routing);
    fr_vehicle_config_lint(config, routing, server->routing, diagnostics);
    return routing;
}

const char *fr_vehicle_config_load_chain(struct fr_server_chain *chain,
                                         const struct fr_server_config *server, const char *host,
                                         struct fr_diagnostics *diagnostics)
{
    const char *path = server->certificate;
    struct fr_error cause;

    if (fr_server_chain_load(chain, path, &cause) != 0) {
        fr_diagnose(diagnostics, FR_SEVERITY_ERROR, server->path, 0, 0, "tls: %s", cause.text);
        return NULL;
    }
    if (host == NULL)
        host = server->tesla.hostname;
    if (host == NULL)
        host = server->tesla.domain;
    if (host == NULL)
        host = chain->host;
    if (host == NULL)
        fr_diagnose(
            diagnostics, FR_SEVERITY_ERROR, path, 0, 0,
            "the certificate does not have exactly one host name; set `tesla: hostname:`, or "
            "choose one with --host of vehicle-config");
    else if (!fr_server_chain_covers(chain, host))
        fr_diagnose(
            diagnostics, FR_SEVERITY_ERROR, path, 0, 0,
            "the certificate is not for the host name \"%s\": vehicles would reject it; set "
            "`tesla: hostname:` to a name in the certificate",
            host);
    else if (!chain->has_root)
        fr_diagnose(diagnostics, FR_SEVERITY_WARNING, path, 0, 0,
                    "the chain has no root certificate, neither in the file nor in the system; "
                    "append it, because vehicles may reject a partial chain");
    return host;
}

void fr_vehicle_config_check_scopes(const struct fr_vehicle_config *config,
                                    const struct fr_server_config *server,
                                    enum fr_severity severity, struct fr_diagnostics *diagnostics)
{
    struct fr_tokens tokens;
    struct fr_error ignored;

    if (!server->tesla.present ||
        fr_tokens_read(server->tesla.folder, &tokens, &ignored) != FR_TOKENS_READ)
        return;
    if (tokens.scopes != NULL)
        fr_vehicle_config_lint_scopes(config, tokens.scopes, server->routing, severity,
                                      diagnostics);
    fr_tokens_free(&tokens);
}
