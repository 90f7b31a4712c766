/* server_config.h - fleetroute.yaml, read and checked as far as it can be without plugins. */
#ifndef FR_SERVER_CONFIG_H
#define FR_SERVER_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/diagnostics.h"
#include "config/yaml_tree.h"
#include "fleetroute/plugin.h"

struct fr_sink_config {
    const char *name;
    const char *plugin; /* a name, or a path with a slash in it */
    size_t queue_records;
    size_t queue_bytes;
    int64_t retry_least_ms;
    int64_t retry_most_ms;
    const struct fr_yaml *node; /* the sink's map */
    const struct fr_yaml *plugin_node;
    const struct fr_yaml *options; /* NULL: none */
};

struct fr_server_config {
    char *path;
    const char *address;
    uint16_t port;
    unsigned workers;
    char *certificate, *key, *vehicle_ca; /* paths, made absolute */
    char *routing;
    char *control;
    char *plugin_dir;
    size_t connections;
    size_t unacknowledged;
    size_t message_size;
    int64_t handshake_timeout_ms;
    int64_t message_timeout_ms;
    int64_t dead_peer_ms;
    enum fr_level log_level;
    bool redact;
    struct fr_sink_config *sinks;
    size_t sink_count;
    struct fr_yaml *root; /* what the texts above are part of */
};

/* Read the file; relative paths in it are taken from its folder. Mistakes go to `diagnostics`;
 * NULL when nothing could be read at all. */
struct fr_server_config *fr_server_config_load(const char *path,
                                               struct fr_diagnostics *diagnostics);
void fr_server_config_free(struct fr_server_config *config);

#endif
