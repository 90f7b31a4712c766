#include "config/server_plugins.h"

#include <string.h>

#include "config/routing_types.h"
#include "config/yaml_values.h"
#include "util/memory.h"

/* The name of a sink is also a file name (dead letters) and a key in the journal. */
#define NAME_CHARACTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-."
#define NAME_MAX_LENGTH 64

#define PRESENCE_HOLD_MS 10000
#define PRESENCE_HOLD_MAX_MS (INT64_C(5) * 60 * 1000)

static void server_read_sink(struct fr_server_reader *r, const struct fr_yaml *key,
                             const struct fr_yaml *node)
{
    static const char *const keys[] = {"plugin", "options", "queue",         "retry", "delivery",
                                       "from",   "restore", "stall_timeout", NULL};
    static const char *const queue_keys[] = {"records", "bytes", NULL};
    static const char *const retry_keys[] = {"min", "max", "attempts", NULL};
    static const char *const modes[] = {"log", "latest", NULL};
    static const char *const starts[] = {"now", "oldest", NULL};
    const struct fr_yaml_file *file = &r->file;
    const struct fr_yaml *queue, *retry;
    struct fr_sink_config *sink;

    if (!fr_yaml_is_map(file, node, "a sink", keys))
        return;
    if (r->config->sink_count == FR_SINKS_MAX) {
        fr_yaml_config_error(file, key, "there are more than %d sinks", FR_SINKS_MAX);
        return;
    }
    if (strspn(key->text, NAME_CHARACTERS) != strlen(key->text) ||
        strlen(key->text) > NAME_MAX_LENGTH)
        fr_yaml_config_error(
            file, key, "the name of a sink must have 1 to %d characters: letters, digits, _ - .",
            NAME_MAX_LENGTH);
    queue = fr_server_section(r, node, "queue", queue_keys);
    retry = fr_server_section(r, node, "retry", retry_keys);
    r->config->sinks =
        fr_realloc(r->config->sinks, r->config->sink_count + 1, sizeof *r->config->sinks);
    sink = &r->config->sinks[r->config->sink_count++];
    *sink = (struct fr_sink_config){.name = key->text, .node = node};
    sink->plugin_node = fr_yaml_get(node, "plugin");
    sink->plugin = fr_yaml_text(file, sink->plugin_node, "plugin", NULL);
    if (sink->plugin == NULL)
        fr_yaml_config_error(file, node, "sink %s has no `plugin:` (file, kafka, …)", sink->name);
    sink->options = fr_yaml_get(node, "options");
    /* With a journal, records beyond the queue are read from disk, so the queue can be short. */
    sink->queue_records = (size_t)fr_yaml_integer(file, fr_yaml_get(queue, "records"), "records", 1,
                                                  10000000, r->config->journal_on ? 10000 : 50000);
    sink->queue_bytes = (size_t)fr_yaml_size(file, fr_yaml_get(queue, "bytes"), "bytes",
                                             r->config->journal_on ? 16000000 : 96000000);
    sink->attempts =
        (unsigned)fr_yaml_integer(file, fr_yaml_get(retry, "attempts"), "attempts", 1, 100, 8);
    sink->stall_timeout_ms =
        fr_yaml_duration(file, fr_yaml_get(node, "stall_timeout"), "stall_timeout", 30000);
    sink->mode =
        (enum fr_delivery_mode)(1 + fr_server_read_word(r, fr_yaml_get(node, "delivery"),
                                                        "delivery", modes, FR_MODE_DEFAULT - 1));
    sink->from_oldest = fr_server_read_word(r, fr_yaml_get(node, "from"), "from", starts, 0) == 1;
    sink->restore = fr_yaml_get(node, "restore") != NULL
                        ? fr_yaml_boolean(file, fr_yaml_get(node, "restore"), "restore", false)
                        : -1;
    sink->retry_min_ms = fr_yaml_duration(file, fr_yaml_get(retry, "min"), "min", 200);
    sink->retry_max_ms = fr_yaml_duration(file, fr_yaml_get(retry, "max"), "max", 30000);
    if (sink->retry_min_ms < 1 || sink->retry_max_ms < sink->retry_min_ms)
        fr_yaml_config_error(file, retry,
                             "retry: min must be 1 ms or more, and max must not be less than min");
}

void fr_server_read_sinks(struct fr_server_reader *r, const struct fr_yaml *root)
{
    const struct fr_yaml *node = fr_yaml_get(root, "sinks");

    if (node == NULL || (node->kind == FR_YAML_TEXT && node->text[0] == '\0'))
        fr_yaml_warn(&r->file, root, "there are no `sinks:`: no record is routed");
    else if (node->kind != FR_YAML_MAP)
        fr_yaml_config_error(&r->file, node,
                             "`sinks:` must be a map from the name of each sink to its settings");
    else
        for (size_t i = 0; i < node->count; i++)
            server_read_sink(r, node->keys[i], node->items[i]);
}

static void server_read_source(struct fr_server_reader *r, const struct fr_yaml *key,
                               const struct fr_yaml *node)
{
    static const char *const keys[] = {"plugin", "options", "presence_hold", "presence_from", NULL};
    static const char *const from[] = {"front-ends", "connectivity", NULL};
    struct fr_source_config *source;

    if (!fr_yaml_is_map(&r->file, node, "a source", keys))
        return;
    if (r->config->source_count == FR_SOURCES_MAX) {
        fr_yaml_config_error(&r->file, key, "there are more than %d sources", FR_SOURCES_MAX);
        return;
    }
    r->config->sources =
        fr_realloc(r->config->sources, r->config->source_count + 1, sizeof *r->config->sources);
    source = &r->config->sources[r->config->source_count++];
    *source = (struct fr_source_config){.name = key->text, .node = node};
    source->plugin_node = fr_yaml_get(node, "plugin");
    source->plugin = fr_yaml_text(&r->file, source->plugin_node, "plugin", NULL);
    if (source->plugin == NULL)
        fr_yaml_config_error(&r->file, node, "source %s has no `plugin:` (kafka, …)", source->name);
    source->options = fr_yaml_get(node, "options");
    source->presence_hold_ms = fr_yaml_duration(&r->file, fr_yaml_get(node, "presence_hold"),
                                                "presence_hold", PRESENCE_HOLD_MS);
    source->presence_from_connectivity =
        fr_server_read_word(r, fr_yaml_get(node, "presence_from"), "presence_from", from, 0) == 1;
    if (source->presence_hold_ms > PRESENCE_HOLD_MAX_MS)
        fr_yaml_config_error(&r->file, fr_yaml_get(node, "presence_hold"),
                             "presence_hold must be 5 min or less");
}

void fr_server_read_sources(struct fr_server_reader *r, const struct fr_yaml *root)
{
    const struct fr_yaml *node = fr_yaml_get(root, "sources");

    if (node == NULL || (node->kind == FR_YAML_TEXT && node->text[0] == '\0'))
        return;
    if (node->kind != FR_YAML_MAP) {
        fr_yaml_config_error(
            &r->file, node,
            "`sources:` must be a map from the name of each source to its settings");
        return;
    }
    if (!r->config->journal_on)
        fr_yaml_config_error(
            &r->file, node,
            "`sources:` need the journal, because a record of a source is confirmed when it is "
            "stored: remove `journal: off`");
    for (size_t i = 0; i < node->count; i++)
        server_read_source(r, node->keys[i], node->items[i]);
}
