#include "config/server_config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config/routing_config.h"
#include "util/log.h"
#include "util/memory.h"

#ifndef FR_PLUGIN_DIR
#define FR_PLUGIN_DIR "/usr/lib/fleetroute/plugins"
#endif
#ifndef FR_RUN_DIR
#define FR_RUN_DIR "/run/fleetroute"
#endif

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

    if (text == NULL || text[0] == '\0') {
        fr_yaml_wrong(&r->file, place, "`%s:` with `%s:` is needed", section, key);
        return NULL;
    }
    path = resolve(r, text);
    if (access(path, R_OK) != 0)
        fr_yaml_wrong(&r->file, node, "%s: %s: %s", key, path, strerror(errno));
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
    static const char *const keys[] = {"certificate", "key", "vehicle_ca", NULL};
    const struct fr_yaml *node = section(r, root, "tls", keys);
    const struct fr_yaml *place = node != NULL ? node : root;

    r->config->certificate = read_file(r, node, "tls", "certificate", place);
    r->config->key = read_file(r, node, "tls", "key", place);
    r->config->vehicle_ca = read_file(r, node, "tls", "vehicle_ca", place);
}

static void read_limits(struct reader *r, const struct fr_yaml *root)
{
    static const char *const keys[] = {"connections",
                                       "unacknowledged",
                                       "message_size",
                                       "handshake_timeout",
                                       "message_timeout",
                                       "dead_peer",
                                       NULL};
    const struct fr_yaml *node = section(r, root, "limits", keys);
    const struct fr_yaml_file *file = &r->file;
    struct fr_server_config *c = r->config;

    c->connections = (size_t)fr_yaml_integer(file, fr_yaml_get(node, "connections"), "connections",
                                             1, 1000000, 20000);
    c->unacknowledged = (size_t)fr_yaml_integer(file, fr_yaml_get(node, "unacknowledged"),
                                                "unacknowledged", 1, 100000, 1000);
    c->message_size =
        (size_t)fr_yaml_size(file, fr_yaml_get(node, "message_size"), "message_size", 1000000);
    c->handshake_timeout_ms =
        fr_yaml_duration(file, fr_yaml_get(node, "handshake_timeout"), "handshake_timeout", 10000);
    c->message_timeout_ms =
        fr_yaml_duration(file, fr_yaml_get(node, "message_timeout"), "message_timeout", 60000);
    c->dead_peer_ms = fr_yaml_duration(file, fr_yaml_get(node, "dead_peer"), "dead_peer", 120000);
    if (c->message_size < 1000 || c->message_size > 64000000)
        fr_yaml_wrong(file, fr_yaml_get(node, "message_size"),
                      "message_size must lie between 1 kB and 64 MB");
    if (c->handshake_timeout_ms < 1000 || c->message_timeout_ms < 1000 || c->dead_peer_ms < 1000)
        fr_yaml_wrong(file, node, "a time-out must be 1 s or more");
}

static void read_log(struct reader *r, const struct fr_yaml *root)
{
    static const char *const keys[] = {"level", "redact", NULL};
    const struct fr_yaml *node = section(r, root, "log", keys);
    const char *level = fr_yaml_text(&r->file, fr_yaml_get(node, "level"), "level", "info");
    int number = fr_log_level_from(level);

    if (number < 0) {
        fr_yaml_wrong(&r->file, fr_yaml_get(node, "level"),
                      "level must be error, warning, notice, info or debug, not \"%s\"", level);
        number = FR_LOG_INFO;
    }
    r->config->log_level = (enum fr_level)number;
    r->config->redact = fr_yaml_boolean(&r->file, fr_yaml_get(node, "redact"), "redact", false);
}

static void read_sink(struct reader *r, const struct fr_yaml *key, const struct fr_yaml *node)
{
    static const char *const keys[] = {"plugin", "options", "queue", "retry", NULL};
    static const char *const queue_keys[] = {"records", "bytes", NULL};
    static const char *const retry_keys[] = {"least", "most", NULL};
    const struct fr_yaml_file *file = &r->file;
    const struct fr_yaml *queue, *retry;
    struct fr_sink_config *sink;

    if (!fr_yaml_is_map(file, node, "a sink", keys))
        return;
    if (r->config->sink_count == FR_SINKS_MAX) {
        fr_yaml_wrong(file, key, "there can be %d sinks at most", FR_SINKS_MAX);
        return;
    }
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
    sink->queue_records =
        (size_t)fr_yaml_integer(file, fr_yaml_get(queue, "records"), "records", 1, 10000000, 50000);
    sink->queue_bytes = (size_t)fr_yaml_size(file, fr_yaml_get(queue, "bytes"), "bytes", 96000000);
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

static void read_tree(struct reader *r, struct fr_yaml *root)
{
    static const char *const keys[] = {"listen",     "tls",   "limits", "routing", "control",
                                       "plugin_dir", "sinks", "log",    NULL};
    struct fr_server_config *c = r->config;

    c->root = root;
    if (!fr_yaml_is_map(&r->file, root, "the configuration", keys))
        return;
    read_listen(r, root);
    read_tls(r, root);
    read_limits(r, root);
    read_log(r, root);
    c->routing =
        resolve(r, fr_yaml_text(&r->file, fr_yaml_get(root, "routing"), "routing", "routing.yaml"));
    c->control = resolve(r, fr_yaml_text(&r->file, fr_yaml_get(root, "control"), "control",
                                         FR_RUN_DIR "/control.sock"));
    c->plugin_dir = resolve(
        r, fr_yaml_text(&r->file, fr_yaml_get(root, "plugin_dir"), "plugin_dir", FR_PLUGIN_DIR));
    read_sinks(r, root);
}

struct fr_server_config *fr_server_config_load(const char *path, struct fr_diagnostics *diagnostics)
{
    struct reader r = {{path, diagnostics}, NULL};
    struct fr_yaml *root = fr_yaml_load(&r.file);

    if (root == NULL)
        return NULL;
    r.config = fr_calloc(1, sizeof *r.config);
    r.config->path = fr_strdup(path);
    read_tree(&r, root);
    return r.config;
}

void fr_server_config_free(struct fr_server_config *config)
{
    if (config == NULL)
        return;
    free(config->path);
    free(config->certificate);
    free(config->key);
    free(config->vehicle_ca);
    free(config->routing);
    free(config->control);
    free(config->plugin_dir);
    free(config->sinks);
    fr_yaml_free(config->root);
    free(config);
}
