/* server_config.h - fleetroute.yaml, read and checked as far as it can be without plugins. */
#ifndef FR_SERVER_CONFIG_H
#define FR_SERVER_CONFIG_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/diagnostics.h"
#include "config/yaml_tree.h"
#include "fleetroute/plugin.h"
#include "journal/journal.h"
#include "record/topics.h"
#include "util/log.h"

struct fr_sink_config {
    const char *name;
    const char *plugin; /* a name, or a path with a slash in it */
    size_t queue_records;
    size_t queue_bytes;
    int64_t retry_least_ms;
    int64_t retry_most_ms;
    unsigned attempts;          /* of a delivery that fails while the peer works */
    int64_t stall_ms;           /* without progress for so long a sink is reported as stalled */
    enum fr_delivery_mode mode; /* FR_MODE_DEFAULT: the plugin's */
    bool from_oldest;           /* where a new sink begins in the journal */
    int restore;                /* last values at its start: 0, 1; -1: as its mode has it */
    const struct fr_yaml *node; /* the sink's map */
    const struct fr_yaml *plugin_node;
    const struct fr_yaml *options; /* NULL: none */
};

struct fr_source_config {
    const char *name;
    const char *plugin;
    const struct fr_yaml *node;
    const struct fr_yaml *plugin_node;
    const struct fr_yaml *options;
};

#define FR_SOURCES_MAX 16

struct fr_server_config {
    _Atomic unsigned references;
    char *path;
    const char *address;
    uint16_t port;
    unsigned workers;
    char *certificate, *key, *vehicle_ca; /* paths, made absolute */
    char *crl;                            /* the same; NULL: none */
    char *routing;
    char *control;
    char *plugin_dir;
    char *state; /* the folder for what must outlive the daemon */
    bool journal_on;
    char *journal_path;
    uint64_t journal_size;
    int64_t journal_retention_ms;
    enum fr_journal_full journal_full;
    int64_t journal_commit_every_ms;
    size_t journal_commit_records;
    size_t journal_duplicates;
    bool values;
    int64_t values_every_ms;
    int64_t presence_grace_ms;
    enum fr_unknown_topics unknown_topics;
    size_t connections;
    bool connections_given;        /* the file says `connections` */
    size_t connections_per_vin;    /* 0: no limit */
    size_t connections_per_source; /* 0: no limit */
    size_t half_open;
    size_t half_open_per_source; /* 0: no limit */
    size_t unacknowledged;
    size_t message_size;
    int64_t handshake_timeout_ms;
    int64_t message_timeout_ms;
    int64_t dead_peer_ms;
    bool admin_on;
    const char *admin_address;
    uint16_t admin_port;    /* 0: on no address */
    char *admin_token_file; /* NULL: none */
    char *admin_socket;     /* NULL: none */
    const char *user;       /* whom root becomes; NULL: nobody else */
    bool sandbox;
    enum fr_level log_level;
    enum fr_log_format log_format;
    bool redact;
    struct fr_sink_config *sinks;
    size_t sink_count;
    struct fr_source_config *sources;
    size_t source_count;
    struct fr_yaml *root; /* what the texts above are part of */
};

/* Read the file; relative paths in it are taken from its folder. Mistakes go to `diagnostics`;
 * NULL when nothing could be read at all. */
struct fr_server_config *fr_server_config_load(const char *path,
                                               struct fr_diagnostics *diagnostics);

/* A configuration is loaded with one reference and freed with the last. NULL is nothing. */
struct fr_server_config *fr_server_config_ref(struct fr_server_config *config);
void fr_server_config_unref(struct fr_server_config *config);

#endif
