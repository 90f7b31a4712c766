/*
 * The settings of fleetroute.yaml as read by server_config.h. Constant after the file is read.
 * man/fleetroute.yaml.5 describes the keys.
 */
#ifndef FR_SERVER_TYPES_H
#define FR_SERVER_TYPES_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/yaml_tree.h"
#include "fleetroute/plugin.h"
#include "journal/journal.h"
#include "record/topics.h"
#include "util/log.h"
#include "util/network.h"

struct fr_sink_config {
    const char *name;
    const char *plugin;   /* a name, or a path that contains a slash */
    size_t queue_records; /* max records in the queue of the sink */
    size_t queue_bytes;   /* max bytes of them */
    int64_t retry_min_ms;
    int64_t retry_max_ms;
    unsigned attempts;          /* max attempts of a delivery that fails while the peer works */
    int64_t stall_timeout_ms;   /* a sink without progress for this time is reported as stalled */
    enum fr_delivery_mode mode; /* FR_MODE_DEFAULT: the mode of the plugin */
    bool from_oldest;           /* a new sink starts at the oldest record, not at the newest */
    int restore; /* deliver last values at the start: 0, 1; -1: depends on the mode */
    const struct fr_yaml *node; /* the map of the sink */
    const struct fr_yaml *plugin_node;
    const struct fr_yaml *options; /* NULL: none */
};

struct fr_source_config {
    const char *name;
    const char *plugin;
    const struct fr_yaml *node;
    const struct fr_yaml *plugin_node;
    const struct fr_yaml *options;
    int64_t presence_hold_ms; /* until a vehicle that no front-end has is published as away */
    bool presence_from_connectivity; /* connectivity of Tesla'"'"'s server counts as presence */
};

/* Path of the command key, from the folder of fleetroute.yaml, if `tesla: key` is not set. */
#define FR_TESLA_KEY_FILE "keys/command-key.pem"

/* The path under which Tesla fetches the public half of the command key from the owner's domain. */
#define FR_PUBLIC_KEY_FOLDER ".well-known/appspecific"
#define FR_PUBLIC_KEY_PATH FR_PUBLIC_KEY_FOLDER "/com.tesla.3p.public-key.pem"

enum fr_tesla_region {
    FR_TESLA_REGION_AUTO, /* from the user's token */
    FR_TESLA_REGION_NA,   /* also Asia and the Pacific, except China */
    FR_TESLA_REGION_EU,   /* also the Middle East and Africa */
    FR_TESLA_REGION_CN,
};

/* The section `tesla:`. The daemon uses `folder` alone. Texts that are const belong to the tree. */
struct fr_tesla_config {
    bool present;             /* the file has the section */
    const char *domain;       /* serves the public key; NULL: the only name of the certificate */
    const char *hostname;     /* that vehicles dial; NULL: `domain` */
    uint16_t port;            /* that vehicles dial */
    const char *client_id;    /* NULL: not set */
    char *client_secret_file; /* path; NULL: not set */
    char *key;                /* path of the command key */
    const char *redirect_uri; /* NULL: https://DOMAIN/callback */
    enum fr_tesla_region region;
    char *ca;           /* path of the roots that vehicles trust; NULL: from the server's chain */
    int64_t expires_ms; /* validity of a pushed configuration */
    double budget_usd;  /* max US$ a month for the signals of all vehicles */
    int64_t push_every_ms; /* min time between two pushes of `keep` to one vehicle */
    char *folder;          /* tokens and state of the commands */
    const char *base_url;  /* instead of Tesla's Fleet API; NULL: Tesla's; for tests */
    const char *auth_url;  /* instead of Tesla's token host; NULL: Tesla's; for tests */
    char *api_ca;          /* path of the CA of these; NULL: the system's */
};

/* Max entries of `listen: proxy_protocol:`. */
#define FR_PROXIES_MAX 64

/* The section `history:`. */
struct fr_history_config {
    bool on;       /* false without a journal */
    uint64_t size; /* max bytes on disk */
    int64_t keep_ms;
    size_t vehicles;    /* max vehicles that have a history */
    uint32_t *fields;   /* the only fields that are stored; owned */
    size_t field_count; /* 0: all */
};

/* In the folder `state:`: the result of `fleetroute doctor`, and its maximum in bytes. */
#define FR_DOCTOR_FILE "doctor.json"
#define FR_DOCTOR_FILE_MAX 262144

/* Max sources in a configuration. */
#define FR_SOURCES_MAX 16

struct fr_server_config {
    _Atomic unsigned references;
    char *path;
    const char *address;
    uint16_t port;
    unsigned workers;
    struct fr_network proxies[FR_PROXIES_MAX]; /* peers that send a PROXY header */
    size_t proxy_count;
    char *certificate, *key, *vehicle_ca; /* paths, resolved from the folder of the file */
    char *crl;                            /* path; NULL: none */
    char *public_key;      /* path of the public half of the command key; may not exist */
    bool public_key_given; /* the file sets `tls: public_key:` */
    char *routing;         /* path of routing.yaml */
    char *control;         /* path of the control socket */
    char *plugin_dir;
    char *state; /* folder for data that outlives the daemon */
    bool journal_on;
    char *journal_path;
    uint64_t journal_size; /* max bytes of records */
    int64_t journal_retention_ms;
    enum fr_journal_full journal_full;
    int64_t journal_commit_every_ms;
    size_t journal_commit_records;
    size_t journal_duplicates; /* max txids kept to detect duplicates */
    bool values;               /* store last values */
    int64_t values_every_ms;
    struct fr_history_config history;
    int64_t presence_grace_ms;
    const char *front_end;      /* the name of this front-end; NULL: not one of several */
    int64_t front_end_lease_ms; /* if front_end is set */
    enum fr_unknown_topics unknown_topics;
    size_t connections;
    bool connections_given;        /* the file sets `connections` */
    size_t connections_per_vin;    /* 0: no limit */
    size_t connections_per_source; /* 0: no limit */
    size_t half_open;
    size_t half_open_per_source; /* 0: no limit */
    size_t unacknowledged;
    size_t message_size;
    int64_t handshake_timeout_ms;
    int64_t message_timeout_ms;
    int64_t peer_timeout_ms;
    bool admin_on;
    const char *admin_address;
    uint16_t admin_port;     /* 0: no TCP listener */
    char *admin_token_file;  /* NULL: none */
    char *admin_socket;      /* NULL: none */
    char *admin_certificate; /* path; NULL: the listener is not encrypted */
    char *admin_key;         /* path */
    bool admin_plain;        /* `tls: off`: other machines may use it without encryption */
    char **admin_hosts;      /* further names of the listener */
    size_t admin_host_count;
    const char *admin_map_tiles;                      /* URL with {z}, {x} and {y}; NULL: none */
    bool admin_has_home;                              /* `home_zone:` is set */
    double admin_home_latitude, admin_home_longitude; /* degrees */
    double admin_home_radius;                         /* m */
    const char *status_address;
    uint16_t status_port; /* 0: no listener for load balancers */
    const char *user;     /* the user to which root changes; NULL: no change */
    bool sandbox;
    enum fr_level log_level;
    enum fr_log_format log_format;
    bool redact;
    struct fr_tesla_config tesla;
    struct fr_sink_config *sinks;
    size_t sink_count;
    struct fr_source_config *sources;
    size_t source_count;
    struct fr_yaml *root; /* owns the texts above that are const */
};

#endif
