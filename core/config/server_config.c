#include "config/server_config.h"

#include <stdlib.h>
#include <string.h>

#include "config/server_history.h"
#include "config/server_plugins.h"
#include "config/server_reader.h"
#include "config/server_tesla.h"
#include "config/yaml_values.h"
#include "util/address.h"
#include "util/memory.h"

#ifndef FR_PLUGIN_DIR
#define FR_PLUGIN_DIR "/usr/lib/fleetroute/plugins"
#endif
#ifndef FR_RUN_DIR
#define FR_RUN_DIR "/run/fleetroute"
#endif
#ifndef FR_STATE_DIR
#define FR_STATE_DIR "/var/lib/fleetroute"
#endif

#define ADMIN_PORT 8480
#define CONNECTIONS_PER_VIN 4
#define HALF_OPEN 1000
#define HALF_OPEN_PER_SOURCE 250
#define JOURNAL_SIZE 1000000000 /* bytes */
#define JOURNAL_SIZE_MIN 4000000
#define WEEK_MS (INT64_C(7) * 24 * 3600 * 1000)

static void server_read_listen(struct fr_server_reader *r, const struct fr_yaml *root)
{
    static const char *const keys[] = {"address", "port", "workers", NULL};
    const struct fr_yaml *node = fr_server_section(r, root, "listen", keys);
    struct fr_server_config *c = r->config;

    c->address = fr_yaml_text(&r->file, fr_yaml_get(node, "address"), "address", "0.0.0.0");
    c->port = (uint16_t)fr_yaml_integer(&r->file, fr_yaml_get(node, "port"), "port", 0, 65535, 443);
    c->workers =
        (unsigned)fr_yaml_integer(&r->file, fr_yaml_get(node, "workers"), "workers", 0, 64, 0);
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

/* The admin endpoint is off unless it is configured. An address that other machines can reach
 * requires a token. */
static void server_read_admin(struct fr_server_reader *r, const struct fr_yaml *root)
{
    static const char *const keys[] = {"address", "port", "token_file", "socket", NULL};
    const struct fr_yaml *node = fr_yaml_get(root, "admin");
    struct fr_server_config *c = r->config;

    c->admin_on = node != NULL && !fr_server_is_off(r, node, "admin");
    node = node != NULL && node->kind == FR_YAML_TEXT ? NULL
                                                      : fr_server_section(r, root, "admin", keys);
    c->admin_address = fr_yaml_text(&r->file, fr_yaml_get(node, "address"), "address", "127.0.0.1");
    c->admin_port = (uint16_t)fr_yaml_integer(&r->file, fr_yaml_get(node, "port"), "port", 0, 65535,
                                              ADMIN_PORT);
    if (fr_yaml_get(node, "token_file") != NULL)
        c->admin_token_file = fr_server_read_file(r, node, "admin", "token_file", node);
    if (fr_yaml_get(node, "socket") != NULL)
        c->admin_socket =
            fr_server_resolve(r, fr_yaml_text(&r->file, fr_yaml_get(node, "socket"), "socket", ""));
    if (c->admin_on && c->admin_port != 0 && !fr_is_loopback(c->admin_address) &&
        c->admin_token_file == NULL)
        fr_yaml_config_error(
            &r->file, fr_yaml_get(node, "address"),
            "admin: other machines can reach %s: set `token_file:`, or listen on 127.0.0.1",
            c->admin_address);
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
                                       "tesla",  "history",    NULL};
    struct fr_server_config *c = r->config;

    c->root = root;
    if (!fr_yaml_is_map(&r->file, root, "the configuration", keys))
        return;
    server_read_listen(r, root);
    server_read_tls(r, root);
    server_read_limits(r, root);
    server_read_log(r, root);
    server_read_admin(r, root);
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
    free(config->admin_token_file);
    free(config->admin_socket);
    free(config->plugin_dir);
    free(config->sinks);
    fr_yaml_free(config->root);
    free(config);
}
