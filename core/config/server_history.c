#include "config/server_history.h"

#include <stdlib.h>

#include "config/yaml_values.h"
#include "record/field_catalogue.h"
#include "util/memory.h"

#define SIZE_DEFAULT 64000000
#define SIZE_MIN 4000000
#define SIZE_MAX_BYTES INT64_C(1000000000000)
#define VEHICLES_DEFAULT 20
#define VEHICLES_MAX 20000
#define DAY_MS (INT64_C(24) * 3600 * 1000)
#define KEEP_DEFAULT_MS (8 * DAY_MS)
#define KEEP_MAX_MS (400 * DAY_MS)

static void history_add_field(const struct fr_yaml *text, void *ctx)
{
    struct fr_server_reader *r = ctx;
    struct fr_history_config *h = &r->config->history;
    const struct fr_field *field = fr_field_by_name(text->text);

    if (field == NULL) {
        fr_yaml_config_error(&r->file, text,
                             "history: there is no field \"%s\"; fleetroute-fields(7) lists them",
                             text->text);
        return;
    }
    h->fields = fr_realloc(h->fields, h->field_count + 1, sizeof *h->fields);
    h->fields[h->field_count++] = field->number;
}

static void history_check(struct fr_server_reader *r, const struct fr_yaml *node, int64_t size)
{
    const struct fr_history_config *h = &r->config->history;

    if (size < SIZE_MIN || size > SIZE_MAX_BYTES)
        fr_yaml_config_error(&r->file, fr_yaml_get(node, "size"),
                             "history: size must be from 4 MB to 1 TB");
    if (h->keep_ms < DAY_MS || h->keep_ms > KEEP_MAX_MS)
        fr_yaml_config_error(&r->file, fr_yaml_get(node, "keep"),
                             "history: keep must be from 1 d to 400 d");
}

void fr_server_read_history(struct fr_server_reader *r, const struct fr_yaml *root)
{
    static const char *const keys[] = {"size", "keep", "vehicles", "fields", NULL};
    const struct fr_yaml *node = fr_yaml_get(root, "history");
    struct fr_history_config *h = &r->config->history;
    int64_t size;

    h->on = r->config->journal_on && node != NULL && !fr_server_is_off(r, node, "history");
    node = node != NULL && node->kind == FR_YAML_TEXT ? NULL
                                                      : fr_server_section(r, root, "history", keys);
    size = fr_yaml_size(&r->file, fr_yaml_get(node, "size"), "size", SIZE_DEFAULT);
    h->size = (uint64_t)size;
    h->keep_ms = fr_yaml_duration(&r->file, fr_yaml_get(node, "keep"), "keep", KEEP_DEFAULT_MS);
    h->vehicles = (size_t)fr_yaml_integer(&r->file, fr_yaml_get(node, "vehicles"), "vehicles", 1,
                                          VEHICLES_MAX, VEHICLES_DEFAULT);
    fr_yaml_each_text(&r->file, fr_yaml_get(node, "fields"), "fields", history_add_field, r);
    history_check(r, node, size);
}

void fr_server_free_history(struct fr_history_config *history)
{
    free(history->fields);
}
