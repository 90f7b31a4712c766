#include "config/server_config.h"

#include <stdlib.h>
#include <string.h>

#include "config/server_admin.h"
#include "config/server_history.h"
#include "config/server_plugins.h"
#include "config/server_reader.h"
#include "config/server_tesla.h"
#include "config/yaml_values.h"
#include "record/presence_origin.h"
#include "util/memory.h"
#include "util/network.h"

#ifndef FR_PLUGIN_DIR
#define FR_PLUGIN_DIR "/usr/lib/fleetroute/plugins"
#endif
#ifndef FR_RUN_DIR
#define FR_RUN_DIR "/run/fleetroute"
#endif
#ifndef FR_STATE_DIR
#define FR_STATE_DIR "/var/lib/fleetroute"
#endif

#define CONNECTIONS_PER_VIN 4
#define FRONT_END_LEASE_MS (INT64_C(5) * 60 * 1000)
#define HALF_OPEN 1000
#define HALF_OPEN_PER_SOURCE 250
#define JOURNAL_SIZE 1000000000 /* bytes */
#define JOURNAL_SIZE_MIN 4000000
#define WEEK_MS (INT64_C(7) * 24 * 3600 * 1000)

static void server_add_proxy(const struct fr_yaml *text, void *ctx)
{
    struct fr_server_reader *r = ctx;
    struct fr_server_config *c = r->config;
    struct fr_network network;
    struct fr_error error;

    if (fr_network_parse(text->text, &network, &error) != 0) {
        fr_yaml_config_error(&r->file, text, "proxy_protocol: %s", error.text);
        return;
    }
    if (c->proxy_count == FR_PROXIES_MAX) {
        fr_yaml_config_error(&r->file, text,
                             "proxy_protocol has more than %d entries; write networks instead of "
                             "addresses",
                             FR_PROXIES_MAX);
        return;
    }
    if (fr_network_is_everything(&network))
        fr_yaml_warn(&r->file, text,
                     "proxy_protocol: with %s each peer can choose the address that counts for the "
                     "limits and is in the log, and vehicles cannot connect directly; write the "
                     "addresses of the load balancers",
                     text->text);
    c->proxies[c->proxy_count++] = network;
}

static void server_read_listen(struct fr_server_reader *r, const struct fr_yaml *root)
{
    static const char *const keys[] = {"address", "port", "workers", "proxy_protocol", NULL};
    const struct fr_yaml *node = fr_server_section(r, root, "listen", keys);
    struct fr_server_config *c = r->config;

    c->address = fr_yaml_text(&r->file, fr_yaml_get(node, "address"), "address", "0.0.0.0");
    c->port = (uint16_t)fr_yaml_integer(&r->file, fr_yaml_get(node, "port"), "port", 0, 65535, 443);
    c->workers =
        (unsigned)fr_yaml_integer(&r->file, fr_yaml_get(node, "workers"), "workers", 0, 64, 0);
    fr_yaml_each_text(&r->file, fr_yaml_get(node, "proxy_protocol"), "proxy_protocol",
                      server_add_proxy, r);
}

static void server_read_tls(struct fr_server_reader *r, const struct fr_yaml *root)
{
    static const char *const keys[] = {"certificate", "key",        "vehicle_ca",
                                       "crl",         "public_key", NULL};
    const struct fr_yaml *node = fr_server_section(r, root, "tls", keys);
    const struct fr_yaml *parent = node != NULL ? node : root;

    r->config->certificate = fr_server_read_file(r, node, "tls", "certificate", parent);
    r->config->key = fr_server_read_file(r, node, "tls", "key", parent);
    r->config->vehicle_ca = fr_server_read_file(r, node, "tls", "vehicle_ca", parent);
    if (fr_yaml_get(node, "crl") != NULL)
        r->config->crl = fr_server_read_file(r, node, "tls", "crl", parent);
}

/* The file need not exist: `fleetroute key` may make it later. The section `tesla:` must have been
 * read. */
static void server_read_public_key(struct fr_server_reader *r, const struct fr_yaml *root)
{
    const struct fr_yaml *node = fr_yaml_get(fr_yaml_get(root, "tls"), "public_key");
    const char *text = fr_yaml_text(&r->file, node, "public_key", NULL);
    struct fr_server_config *c = r->config;

    c->public_key_given = text != NULL;
    if (text != NULL && text[0] == '\0')
        fr_yaml_config_error(&r->file, node, "public_key must be the path of a file");
    else if (text != NULL)
        c->public_key = fr_server_resolve(r, text);
    else if (c->tesla.key != NULL)
        c->public_key = fr_server_public_key_path(c->tesla.key);
}

static void server_read_limits(struct fr_server_reader *r, const struct fr_yaml *root)
{
    static const char *const keys[] = {"connections",
                                       "connections_per_vin",
                                       "connections_per_source",
                                       "half_open",
                                       "half_open_per_source",
                                       "max_unacknowledged",
                                       "message_size",
                                       "handshake_timeout",
                                       "message_timeout",
                                       "peer_timeout",
                                       "presence_grace",
                                       "unknown_topics",
                                       NULL};
    static const char *const policies[] = {"bucket", "pass", NULL};
    const struct fr_yaml *node = fr_server_section(r, root, "limits", keys);
    const struct fr_yaml_file *file = &r->file;
    struct fr_server_config *c = r->config;

    c->connections_given = fr_yaml_get(node, "connections") != NULL;
    c->connections = (size_t)fr_yaml_integer(file, fr_yaml_get(node, "connections"), "connections",
                                             1, 1000000, 20000);
    c->connections_per_vin =
        (size_t)fr_yaml_integer(file, fr_yaml_get(node, "connections_per_vin"),
                                "connections_per_vin", 0, 1000, CONNECTIONS_PER_VIN);
    c->connections_per_source = (size_t)fr_yaml_integer(
        file, fr_yaml_get(node, "connections_per_source"), "connections_per_source", 0, 1000000, 0);
    c->half_open = (size_t)fr_yaml_integer(file, fr_yaml_get(node, "half_open"), "half_open", 1,
                                           100000, HALF_OPEN);
    c->half_open_per_source =
        (size_t)fr_yaml_integer(file, fr_yaml_get(node, "half_open_per_source"),
                                "half_open_per_source", 0, 100000, HALF_OPEN_PER_SOURCE);
    c->unacknowledged = (size_t)fr_yaml_integer(file, fr_yaml_get(node, "max_unacknowledged"),
                                                "max_unacknowledged", 1, 100000, 1000);
    c->message_size =
        (size_t)fr_yaml_size(file, fr_yaml_get(node, "message_size"), "message_size", 1000000);
    c->handshake_timeout_ms =
        fr_yaml_duration(file, fr_yaml_get(node, "handshake_timeout"), "handshake_timeout", 10000);
    c->message_timeout_ms =
        fr_yaml_duration(file, fr_yaml_get(node, "message_timeout"), "message_timeout", 60000);
    c->peer_timeout_ms =
        fr_yaml_duration(file, fr_yaml_get(node, "peer_timeout"), "peer_timeout", 120000);
    c->presence_grace_ms =
        fr_yaml_duration(file, fr_yaml_get(node, "presence_grace"), "presence_grace", 15000);
    c->unknown_topics = (enum fr_unknown_topics)fr_server_read_word(
        r, fr_yaml_get(node, "unknown_topics"), "unknown_topics", policies,
        FR_UNKNOWN_TOPICS_BUCKET);
    if (c->message_size < 1000 || c->message_size > 64000000)
        fr_yaml_config_error(file, fr_yaml_get(node, "message_size"),
                             "message_size must be from 1 kB to 64 MB");
    if (c->handshake_timeout_ms < 1000 || c->message_timeout_ms < 1000 || c->peer_timeout_ms < 1000)
        fr_yaml_config_error(file, node, "each timeout must be 1 s or more");
}

/* A daemon that shares the vehicles with others behind a load balancer. The section `limits:` must
 * have been read. */
static void server_read_front_end(struct fr_server_reader *r, const struct fr_yaml *root)
{
    static const char *const keys[] = {"name", "lease", NULL};
    const struct fr_yaml *node = fr_server_section(r, root, "front_end", keys);
    const struct fr_yaml *name = fr_yaml_get(node, "name"), *lease = fr_yaml_get(node, "lease");
    struct fr_server_config *c = r->config;

    if (node == NULL)
        return;
    c->front_end = fr_yaml_text(&r->file, name, "name", NULL);
    c->front_end_lease_ms = fr_yaml_duration(&r->file, lease, "lease", FRONT_END_LEASE_MS);
    if (c->front_end == NULL || !fr_front_end_name_valid(c->front_end, strlen(c->front_end)))
        fr_yaml_config_error(&r->file, name != NULL ? name : node,
                             "front_end: name must be 1 to %d letters, digits and characters of "
                             "\"._-\", different for each daemon behind the load balancer",
                             FR_FRONT_END_NAME_MAX);
    if (c->front_end_lease_ms < FR_LEASE_MIN_MS || c->front_end_lease_ms > FR_LEASE_MAX_MS)
        fr_yaml_config_error(&r->file, lease, "front_end: lease must be from 3 s to 15 min");
    else if (c->front_end_lease_ms < 2 * c->presence_grace_ms)
        fr_yaml_config_error(&r->file, lease != NULL ? lease : node,
                             "front_end: lease must be at least twice limits: presence_grace, or "
                             "consumers take a vehicle for away before this daemon does");
}

static void server_read_log(struct fr_server_reader *r, const struct fr_yaml *root)
{
    static const char *const keys[] = {"level", "format", "redact", NULL};
    static const char *const formats[] = {"text", "json", "journal", NULL};
    const struct fr_yaml *node = fr_server_section(r, root, "log", keys);
    const char *level = fr_yaml_text(&r->file, fr_yaml_get(node, "level"), "level", "info");
    int number = fr_log_level_from(level);

    if (number < 0) {
        fr_yaml_config_error(&r->file, fr_yaml_get(node, "level"),
                             "level must be error, warning, notice, info or debug, not \"%s\"",
                             level);
        number = FR_LOG_INFO;
    }
    r->config->log_level = (enum fr_level)number;
    r->config->log_format = (enum fr_log_format)fr_server_read_word(r, fr_yaml_get(node, "format"),
                                                                    "format", formats, FR_LOG_TEXT);
    r->config->redact = fr_yaml_boolean(&r->file, fr_yaml_get(node, "redact"), "redact", false);
}

/* The listener for load balancers. */
static void server_read_status(struct fr_server_reader *r, const struct fr_yaml *root)
{
    static const char *const keys[] = {"address", "port", NULL};
    const struct fr_yaml *node = fr_server_section(r, root, "status", keys);
    struct fr_server_config *c = r->config;

    c->status_address = fr_yaml_text(&r->file, fr_yaml_get(node, "address"), "address", "0.0.0.0");
    c->status_port =
        (uint16_t)fr_yaml_integer(&r->file, fr_yaml_get(node, "port"), "port", 0, 65535, 0);
}

static void server_read_journal(struct fr_server_reader *r, const struct fr_yaml *root)
{
    static const char *const keys[] = {
        "path",           "size",       "retention", "when_full",    "commit_every",
        "commit_records", "duplicates", "values",    "values_every", NULL};
    static const char *const full[] = {"block", "drop-oldest", NULL};
    const struct fr_yaml *node = fr_yaml_get(root, "journal");
    const struct fr_yaml_file *file = &r->file;
    struct fr_server_config *c = r->config;
    int64_t size;

    c->journal_on = !fr_server_is_off(r, node, "journal");
    if (node != NULL && node->kind == FR_YAML_TEXT)
        node = NULL;
    else
        node = fr_server_section(r, root, "journal", keys);
    c->journal_path =
        fr_yaml_get(node, "path") != NULL
            ? fr_server_resolve(r, fr_yaml_text(file, fr_yaml_get(node, "path"), "path", "."))
            : fr_asprintf("%s/journal", c->state);
    size = fr_yaml_size(file, fr_yaml_get(node, "size"), "size", JOURNAL_SIZE);
    if (size < JOURNAL_SIZE_MIN)
        fr_yaml_config_error(file, fr_yaml_get(node, "size"), "size must be 4 MB or more");
    c->journal_size = (uint64_t)size;
    c->journal_retention_ms =
        fr_yaml_duration(file, fr_yaml_get(node, "retention"), "retention", WEEK_MS);
    c->journal_full = (enum fr_journal_full)fr_server_read_word(
        r, fr_yaml_get(node, "when_full"), "when_full", full, FR_JOURNAL_BLOCK);
    c->journal_commit_every_ms =
        fr_yaml_duration(file, fr_yaml_get(node, "commit_every"), "commit_every", 5);
    c->journal_commit_records = (size_t)fr_yaml_integer(file, fr_yaml_get(node, "commit_records"),
                                                        "commit_records", 1, 100000, 4000);
    c->journal_duplicates = (size_t)fr_yaml_integer(file, fr_yaml_get(node, "duplicates"),
                                                    "duplicates", 0, 10000000, 200000);
    c->values = fr_yaml_boolean(file, fr_yaml_get(node, "values"), "values", true);
    c->values_every_ms =
        fr_yaml_duration(file, fr_yaml_get(node, "values_every"), "values_every", 10000);
    if (c->journal_retention_ms < 60000)
        fr_yaml_config_error(file, fr_yaml_get(node, "retention"),
                             "retention must be 1 min or more");
    if (c->values_every_ms < 100)
        fr_yaml_config_error(file, fr_yaml_get(node, "values_every"),
                             "values_every must be 100 ms or more");
}

static void server_read_tree(struct fr_server_reader *r, struct fr_yaml *root)
{
    static const char *const keys[] = {"listen", "tls",        "limits",  "routing", "control",
                                       "state",  "plugin_dir", "journal", "sources", "sinks",
                                       "log",    "admin",      "status",  "user",    "sandbox",
                                       "tesla",  "front_end",  "history", NULL};
    struct fr_server_config *c = r->config;

    c->root = root;
    if (!fr_yaml_is_map(&r->file, root, "the configuration", keys))
        return;
    server_read_listen(r, root);
    server_read_tls(r, root);
    server_read_limits(r, root);
    server_read_front_end(r, root);
    server_read_log(r, root);
    fr_server_read_admin(r, root);
    server_read_status(r, root);
    fr_server_read_tesla(r, root);
    server_read_public_key(r, root);
    c->user = fr_yaml_text(&r->file, fr_yaml_get(root, "user"), "user", NULL);
    c->sandbox = fr_yaml_boolean(&r->file, fr_yaml_get(root, "sandbox"), "sandbox", true);
    c->routing = fr_server_resolve(
        r, fr_yaml_text(&r->file, fr_yaml_get(root, "routing"), "routing", "routing.yaml"));
    c->control = fr_server_resolve(r, fr_yaml_text(&r->file, fr_yaml_get(root, "control"),
                                                   "control", FR_RUN_DIR "/control.sock"));
    c->plugin_dir = fr_server_resolve(
        r, fr_yaml_text(&r->file, fr_yaml_get(root, "plugin_dir"), "plugin_dir", FR_PLUGIN_DIR));
    c->state = fr_server_resolve(
        r, fr_yaml_text(&r->file, fr_yaml_get(root, "state"), "state", FR_STATE_DIR));
    server_read_journal(r, root);
    fr_server_read_history(r, root);
    fr_server_read_sinks(r, root);
    fr_server_read_sources(r, root);
}

char *fr_server_public_key_path(const char *command_key)
{
    static const char suffix[] = ".pem";
    size_t len = strlen(command_key);

    if (len > strlen(suffix) && strcmp(command_key + len - strlen(suffix), suffix) == 0)
        len -= strlen(suffix);
    return fr_asprintf("%.*s.pub.pem", (int)len, command_key);
}

struct fr_server_config *fr_server_config_load(const char *path, struct fr_diagnostics *diagnostics)
{
    struct fr_server_reader r = {{path, diagnostics}, NULL};
    struct fr_yaml *root = fr_yaml_load(&r.file);

    if (root == NULL)
        return NULL;
    r.config = fr_calloc(1, sizeof *r.config);
    r.config->references = 1;
    r.config->path = fr_strdup(path);
    server_read_tree(&r, root);
    return r.config;
}

struct fr_server_config *fr_server_config_ref(struct fr_server_config *config)
{
    if (config != NULL)
        atomic_fetch_add(&config->references, 1);
    return config;
}

void fr_server_config_unref(struct fr_server_config *config)
{
    if (config == NULL || atomic_fetch_sub(&config->references, 1) != 1)
        return;
    fr_server_free_tesla(&config->tesla);
    fr_server_free_admin(config);
    fr_server_free_history(&config->history);
    free(config->state);
    free(config->journal_path);
    free(config->sources);
    free(config->path);
    free(config->certificate);
    free(config->key);
    free(config->vehicle_ca);
    free(config->crl);
    free(config->public_key);
    free(config->routing);
    free(config->control);
    free(config->plugin_dir);
    free(config->sinks);
    fr_yaml_free(config->root);
    free(config);
}
