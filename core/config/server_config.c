#include "config/server_config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config/routing_config.h"
#include "guard/keeper.h"
#include "util/address.h"
#include "util/buffer.h"
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

/* Sinks' names are files' names too (dead letters), and keys in the journal. */
#define NAME_LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-."
#define NAME_MOST 64

#define ADMIN_PORT 8480
#define CONNECTIONS_PER_VIN 4
#define HALF_OPEN 1000
#define HALF_OPEN_PER_SOURCE 250
#define JOURNAL_SIZE 1000000000
#define JOURNAL_SIZE_LEAST 4000000
#define WEEK_MS (INT64_C(7) * 24 * 3600 * 1000)

struct reader {
    struct fr_yaml_file file;
    struct fr_server_config *config;
};

/* A path of the file, taken from the file's folder. */
static char *resolve(const struct reader *r, const char *path)
{
    const char *slash = strrchr(r->config->path, '/');

    if (path[0] == '/' || slash == NULL)
        return fr_strdup(path);
    return fr_asprintf("%.*s/%s", (int)(slash - r->config->path), r->config->path, path);
}

static char *read_file(struct reader *r, const struct fr_yaml *map, const char *section,
                       const char *key, const struct fr_yaml *place)
{
    const struct fr_yaml *node = fr_yaml_get(map, key);
    const char *text = fr_yaml_text(&r->file, node, key, NULL);
    char *path;
    int fd;

    if (text == NULL || text[0] == '\0') {
        fr_yaml_wrong(&r->file, place, "`%s:` with `%s:` is needed", section, key);
        return NULL;
    }
    path = resolve(r, text);
    fd = fr_keeper_open(path);
    if (fd < 0)
        fr_yaml_wrong(&r->file, node, "%s: %s: %s", key, path, strerror(errno));
    else
        close(fd);
    return path;
}

static const struct fr_yaml *section(struct reader *r, const struct fr_yaml *root, const char *name,
                                     const char *const *keys)
{
    const struct fr_yaml *node = fr_yaml_get(root, name);

    if (node == NULL || (node->kind == FR_YAML_TEXT && node->text[0] == '\0'))
        return NULL;
    return fr_yaml_is_map(&r->file, node, name, keys) ? node : NULL;
}

static void read_listen(struct reader *r, const struct fr_yaml *root)
{
    static const char *const keys[] = {"address", "port", "workers", NULL};
    const struct fr_yaml *node = section(r, root, "listen", keys);
    struct fr_server_config *c = r->config;

    c->address = fr_yaml_text(&r->file, fr_yaml_get(node, "address"), "address", "0.0.0.0");
    c->port = (uint16_t)fr_yaml_integer(&r->file, fr_yaml_get(node, "port"), "port", 0, 65535, 443);
    c->workers =
        (unsigned)fr_yaml_integer(&r->file, fr_yaml_get(node, "workers"), "workers", 0, 64, 0);
}

static void read_tls(struct reader *r, const struct fr_yaml *root)
{
    static const char *const keys[] = {"certificate", "key", "vehicle_ca", "crl", NULL};
    const struct fr_yaml *node = section(r, root, "tls", keys);
    const struct fr_yaml *place = node != NULL ? node : root;

    r->config->certificate = read_file(r, node, "tls", "certificate", place);
    r->config->key = read_file(r, node, "tls", "key", place);
    r->config->vehicle_ca = read_file(r, node, "tls", "vehicle_ca", place);
    if (fr_yaml_get(node, "crl") != NULL)
        r->config->crl = read_file(r, node, "tls", "crl", place);
}

/* One of some words; its place. */
static int read_word(struct reader *r, const struct fr_yaml *node, const char *what,
                     const char *const *words, int initial)
{
    const char *text = fr_yaml_text(&r->file, node, what, NULL);
    struct fr_buffer all = {0};

    if (text == NULL)
        return initial;
    for (int i = 0; words[i] != NULL; i++)
        if (strcmp(words[i], text) == 0)
            return i;
    for (int i = 0; words[i] != NULL; i++)
        fr_buffer_printf(&all, "%s%s",
                         i == 0                 ? ""
                         : words[i + 1] != NULL ? ", "
                                                : " or ",
                         words[i]);
    fr_yaml_wrong(&r->file, node, "%s must be %s, not \"%s\"", what, fr_buffer_string(&all), text);
    fr_buffer_free(&all);
    return initial;
}

static void read_limits(struct reader *r, const struct fr_yaml *root)
{
    static const char *const keys[] = {"connections",
                                       "connections_per_vin",
                                       "connections_per_source",
                                       "half_open",
                                       "half_open_per_source",
                                       "unacknowledged",
                                       "message_size",
                                       "handshake_timeout",
                                       "message_timeout",
                                       "dead_peer",
                                       "presence_grace",
                                       "unknown_topics",
                                       NULL};
    static const char *const policies[] = {"bucket", "pass", NULL};
    const struct fr_yaml *node = section(r, root, "limits", keys);
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
    c->unacknowledged = (size_t)fr_yaml_integer(file, fr_yaml_get(node, "unacknowledged"),
                                                "unacknowledged", 1, 100000, 1000);
    c->message_size =
        (size_t)fr_yaml_size(file, fr_yaml_get(node, "message_size"), "message_size", 1000000);
    c->handshake_timeout_ms =
        fr_yaml_duration(file, fr_yaml_get(node, "handshake_timeout"), "handshake_timeout", 10000);
    c->message_timeout_ms =
        fr_yaml_duration(file, fr_yaml_get(node, "message_timeout"), "message_timeout", 60000);
    c->dead_peer_ms = fr_yaml_duration(file, fr_yaml_get(node, "dead_peer"), "dead_peer", 120000);
    c->presence_grace_ms =
        fr_yaml_duration(file, fr_yaml_get(node, "presence_grace"), "presence_grace", 15000);
    c->unknown_topics =
        (enum fr_unknown_topics)read_word(r, fr_yaml_get(node, "unknown_topics"), "unknown_topics",
                                          policies, FR_UNKNOWN_TOPICS_BUCKET);
    if (c->message_size < 1000 || c->message_size > 64000000)
        fr_yaml_wrong(file, fr_yaml_get(node, "message_size"),
                      "message_size must lie between 1 kB and 64 MB");
    if (c->handshake_timeout_ms < 1000 || c->message_timeout_ms < 1000 || c->dead_peer_ms < 1000)
        fr_yaml_wrong(file, node, "a time-out must be 1 s or more");
}

/* `off`, `on`, or a map; an absent section is on. */
static bool is_off(struct reader *r, const struct fr_yaml *node, const char *what)
{
    return node != NULL && node->kind == FR_YAML_TEXT && node->text[0] != '\0' &&
           !fr_yaml_boolean(&r->file, node, what, true);
}

static void read_log(struct reader *r, const struct fr_yaml *root)
{
    static const char *const keys[] = {"level", "format", "redact", NULL};
    static const char *const formats[] = {"text", "json", "journal", NULL};
    const struct fr_yaml *node = section(r, root, "log", keys);
    const char *level = fr_yaml_text(&r->file, fr_yaml_get(node, "level"), "level", "info");
    int number = fr_log_level_from(level);

    if (number < 0) {
        fr_yaml_wrong(&r->file, fr_yaml_get(node, "level"),
                      "level must be error, warning, notice, info or debug, not \"%s\"", level);
        number = FR_LOG_INFO;
    }
    r->config->log_level = (enum fr_level)number;
    r->config->log_format = (enum fr_log_format)read_word(r, fr_yaml_get(node, "format"), "format",
                                                          formats, FR_LOG_TEXT);
    r->config->redact = fr_yaml_boolean(&r->file, fr_yaml_get(node, "redact"), "redact", false);
}

/* Off where it is not asked for. Who can be reached from elsewhere must ask for a token. */
static void read_admin(struct reader *r, const struct fr_yaml *root)
{
    static const char *const keys[] = {"address", "port", "token_file", "socket", NULL};
    const struct fr_yaml *node = fr_yaml_get(root, "admin");
    struct fr_server_config *c = r->config;

    c->admin_on = node != NULL && !is_off(r, node, "admin");
    node = node != NULL && node->kind == FR_YAML_TEXT ? NULL : section(r, root, "admin", keys);
    c->admin_address = fr_yaml_text(&r->file, fr_yaml_get(node, "address"), "address", "127.0.0.1");
    c->admin_port = (uint16_t)fr_yaml_integer(&r->file, fr_yaml_get(node, "port"), "port", 0, 65535,
                                              ADMIN_PORT);
    if (fr_yaml_get(node, "token_file") != NULL)
        c->admin_token_file = read_file(r, node, "admin", "token_file", node);
    if (fr_yaml_get(node, "socket") != NULL)
        c->admin_socket =
            resolve(r, fr_yaml_text(&r->file, fr_yaml_get(node, "socket"), "socket", ""));
    if (c->admin_on && c->admin_port != 0 && !fr_is_loopback(c->admin_address) &&
        c->admin_token_file == NULL)
        fr_yaml_wrong(&r->file, fr_yaml_get(node, "address"),
                      "admin: %s can be reached from other machines: name a `token_file:`, or "
                      "listen on 127.0.0.1",
                      c->admin_address);
}

static void read_journal(struct reader *r, const struct fr_yaml *root)
{
    static const char *const keys[] = {
        "path",           "size",       "retention", "when_full",    "commit_every",
        "commit_records", "duplicates", "values",    "values_every", NULL};
    static const char *const full[] = {"block", "drop-oldest", NULL};
    const struct fr_yaml *node = fr_yaml_get(root, "journal");
    const struct fr_yaml_file *file = &r->file;
    struct fr_server_config *c = r->config;
    int64_t size;

    c->journal_on = !is_off(r, node, "journal");
    if (node != NULL && node->kind == FR_YAML_TEXT)
        node = NULL;
    else
        node = section(r, root, "journal", keys);
    c->journal_path = fr_yaml_get(node, "path") != NULL
                          ? resolve(r, fr_yaml_text(file, fr_yaml_get(node, "path"), "path", "."))
                          : fr_asprintf("%s/journal", c->state);
    size = fr_yaml_size(file, fr_yaml_get(node, "size"), "size", JOURNAL_SIZE);
    if (size < JOURNAL_SIZE_LEAST)
        fr_yaml_wrong(file, fr_yaml_get(node, "size"), "size must be 4 MB or more");
    c->journal_size = (uint64_t)size;
    c->journal_retention_ms =
        fr_yaml_duration(file, fr_yaml_get(node, "retention"), "retention", WEEK_MS);
    c->journal_full = (enum fr_journal_full)read_word(r, fr_yaml_get(node, "when_full"),
                                                      "when_full", full, FR_JOURNAL_BLOCK);
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
        fr_yaml_wrong(file, fr_yaml_get(node, "retention"), "retention must be 1 min or more");
    if (c->values_every_ms < 100)
        fr_yaml_wrong(file, fr_yaml_get(node, "values_every"),
                      "values_every must be 100 ms or more");
}

static void read_sink(struct reader *r, const struct fr_yaml *key, const struct fr_yaml *node)
{
    static const char *const keys[] = {"plugin", "options", "queue", "retry", "delivery",
                                       "from",   "restore", "stall", NULL};
    static const char *const queue_keys[] = {"records", "bytes", NULL};
    static const char *const retry_keys[] = {"least", "most", "attempts", NULL};
    static const char *const modes[] = {"log", "latest", NULL};
    static const char *const places[] = {"now", "oldest", NULL};
    const struct fr_yaml_file *file = &r->file;
    const struct fr_yaml *queue, *retry;
    struct fr_sink_config *sink;

    if (!fr_yaml_is_map(file, node, "a sink", keys))
        return;
    if (r->config->sink_count == FR_SINKS_MAX) {
        fr_yaml_wrong(file, key, "there can be %d sinks at most", FR_SINKS_MAX);
        return;
    }
    if (strspn(key->text, NAME_LETTERS) != strlen(key->text) || strlen(key->text) > NAME_MOST)
        fr_yaml_wrong(file, key, "a sink's name has 1 to %d letters, digits, or any of _ - .",
                      NAME_MOST);
    queue = section(r, node, "queue", queue_keys);
    retry = section(r, node, "retry", retry_keys);
    r->config->sinks =
        fr_realloc(r->config->sinks, r->config->sink_count + 1, sizeof *r->config->sinks);
    sink = &r->config->sinks[r->config->sink_count++];
    *sink = (struct fr_sink_config){.name = key->text, .node = node};
    sink->plugin_node = fr_yaml_get(node, "plugin");
    sink->plugin = fr_yaml_text(file, sink->plugin_node, "plugin", NULL);
    if (sink->plugin == NULL)
        fr_yaml_wrong(file, node, "sink %s has no `plugin:` (file, kafka, …)", sink->name);
    sink->options = fr_yaml_get(node, "options");
    /* With a journal the rest waits on disk, so little needs to be in memory. */
    sink->queue_records = (size_t)fr_yaml_integer(file, fr_yaml_get(queue, "records"), "records", 1,
                                                  10000000, r->config->journal_on ? 10000 : 50000);
    sink->queue_bytes = (size_t)fr_yaml_size(file, fr_yaml_get(queue, "bytes"), "bytes",
                                             r->config->journal_on ? 16000000 : 96000000);
    sink->attempts =
        (unsigned)fr_yaml_integer(file, fr_yaml_get(retry, "attempts"), "attempts", 1, 100, 8);
    sink->stall_ms = fr_yaml_duration(file, fr_yaml_get(node, "stall"), "stall", 30000);
    sink->mode = (enum fr_delivery_mode)(
        1 + read_word(r, fr_yaml_get(node, "delivery"), "delivery", modes, FR_MODE_DEFAULT - 1));
    sink->from_oldest = read_word(r, fr_yaml_get(node, "from"), "from", places, 0) == 1;
    sink->restore = fr_yaml_get(node, "restore") != NULL
                        ? fr_yaml_boolean(file, fr_yaml_get(node, "restore"), "restore", false)
                        : -1;
    sink->retry_least_ms = fr_yaml_duration(file, fr_yaml_get(retry, "least"), "least", 200);
    sink->retry_most_ms = fr_yaml_duration(file, fr_yaml_get(retry, "most"), "most", 30000);
    if (sink->retry_least_ms < 1 || sink->retry_most_ms < sink->retry_least_ms)
        fr_yaml_wrong(file, retry, "retry: least must be 1 ms or more, and most no less than that");
}

static void read_sinks(struct reader *r, const struct fr_yaml *root)
{
    const struct fr_yaml *node = fr_yaml_get(root, "sinks");

    if (node == NULL || (node->kind == FR_YAML_TEXT && node->text[0] == '\0'))
        fr_yaml_warn(&r->file, root, "there are no `sinks:`, so nothing can be routed");
    else if (node->kind != FR_YAML_MAP)
        fr_yaml_wrong(&r->file, node, "`sinks:` must be a map of a name for each sink");
    else
        for (size_t i = 0; i < node->count; i++)
            read_sink(r, node->keys[i], node->items[i]);
}

static void read_source(struct reader *r, const struct fr_yaml *key, const struct fr_yaml *node)
{
    static const char *const keys[] = {"plugin", "options", NULL};
    struct fr_source_config *source;

    if (!fr_yaml_is_map(&r->file, node, "a source", keys))
        return;
    if (r->config->source_count == FR_SOURCES_MAX) {
        fr_yaml_wrong(&r->file, key, "there can be %d sources at most", FR_SOURCES_MAX);
        return;
    }
    r->config->sources =
        fr_realloc(r->config->sources, r->config->source_count + 1, sizeof *r->config->sources);
    source = &r->config->sources[r->config->source_count++];
    *source = (struct fr_source_config){.name = key->text, .node = node};
    source->plugin_node = fr_yaml_get(node, "plugin");
    source->plugin = fr_yaml_text(&r->file, source->plugin_node, "plugin", NULL);
    if (source->plugin == NULL)
        fr_yaml_wrong(&r->file, node, "source %s has no `plugin:` (kafka, …)", source->name);
    source->options = fr_yaml_get(node, "options");
}

static void read_sources(struct reader *r, const struct fr_yaml *root)
{
    const struct fr_yaml *node = fr_yaml_get(root, "sources");

    if (node == NULL || (node->kind == FR_YAML_TEXT && node->text[0] == '\0'))
        return;
    if (node->kind != FR_YAML_MAP) {
        fr_yaml_wrong(&r->file, node, "`sources:` must be a map of a name for each source");
        return;
    }
    if (!r->config->journal_on)
        fr_yaml_wrong(&r->file, node,
                      "`sources:` need the journal: what they are given is confirmed when it is "
                      "there (take `journal: off` away)");
    for (size_t i = 0; i < node->count; i++)
        read_source(r, node->keys[i], node->items[i]);
}

static void read_tree(struct reader *r, struct fr_yaml *root)
{
    static const char *const keys[] = {"listen", "tls",        "limits",  "routing", "control",
                                       "state",  "plugin_dir", "journal", "sources", "sinks",
                                       "log",    "admin",      "user",    "sandbox", NULL};
    struct fr_server_config *c = r->config;

    c->root = root;
    if (!fr_yaml_is_map(&r->file, root, "the configuration", keys))
        return;
    read_listen(r, root);
    read_tls(r, root);
    read_limits(r, root);
    read_log(r, root);
    read_admin(r, root);
    c->user = fr_yaml_text(&r->file, fr_yaml_get(root, "user"), "user", NULL);
    c->sandbox = fr_yaml_boolean(&r->file, fr_yaml_get(root, "sandbox"), "sandbox", true);
    c->routing =
        resolve(r, fr_yaml_text(&r->file, fr_yaml_get(root, "routing"), "routing", "routing.yaml"));
    c->control = resolve(r, fr_yaml_text(&r->file, fr_yaml_get(root, "control"), "control",
                                         FR_RUN_DIR "/control.sock"));
    c->plugin_dir = resolve(
        r, fr_yaml_text(&r->file, fr_yaml_get(root, "plugin_dir"), "plugin_dir", FR_PLUGIN_DIR));
    c->state =
        resolve(r, fr_yaml_text(&r->file, fr_yaml_get(root, "state"), "state", FR_STATE_DIR));
    read_journal(r, root);
    read_sinks(r, root);
    read_sources(r, root);
}

struct fr_server_config *fr_server_config_load(const char *path, struct fr_diagnostics *diagnostics)
{
    struct reader r = {{path, diagnostics}, NULL};
    struct fr_yaml *root = fr_yaml_load(&r.file);

    if (root == NULL)
        return NULL;
    r.config = fr_calloc(1, sizeof *r.config);
    r.config->references = 1;
    r.config->path = fr_strdup(path);
    read_tree(&r, root);
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
    free(config->state);
    free(config->journal_path);
    free(config->sources);
    free(config->path);
    free(config->certificate);
    free(config->key);
    free(config->vehicle_ca);
    free(config->crl);
    free(config->routing);
    free(config->control);
    free(config->admin_token_file);
    free(config->admin_socket);
    free(config->plugin_dir);
    free(config->sinks);
    fr_yaml_free(config->root);
    free(config);
}
