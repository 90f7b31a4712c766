/* What clients of the control socket may ask the daemon for. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon_state.h"
#include "record/field_catalogue.h"
#include "record/json.h"

#define SYNC_MS 3000

static void put_error(struct fr_buffer *out, const char *text)
{
    fr_buffer_clear(out);
    fr_buffer_text(out, "{\"error\":");
    fr_json_string(out, text, strlen(text));
    fr_buffer_byte(out, '}');
}

static void status(void *ctx, const char *rest, struct fr_buffer *out)
{
    (void)rest;
    fr_daemon_status(ctx, out);
}

static uint64_t reload(void *ctx)
{
    return fr_daemon_ask_reload(ctx);
}

/* ---- values VIN ------------------------------------------------------------------ */

static void put_datum(struct fr_buffer *out, const struct fr_last_value *value,
                      const struct fr_record *record, const struct fr_datum *datum)
{
    char buffer[FR_FIELD_NAME_SIZE];
    const char *name = fr_field_name(value->field, buffer);
    const struct fr_field *field = fr_field_by_number(value->field);

    fr_json_string(out, name, strlen(name));
    fr_buffer_text(out, ":{\"value\":");
    fr_json_value(out, &datum->value);
    if (datum->value.kind == FR_VALUE_INVALID)
        fr_buffer_text(out, ",\"state\":\"invalid\"");
    if (field != NULL && field->unit[0] != '\0') {
        fr_buffer_text(out, ",\"unit\":");
        fr_json_string(out, field->unit, strlen(field->unit));
    }
    fr_buffer_text(out, ",\"created_at\":");
    fr_json_time_ms(out, record->created_ns / 1000000);
    fr_buffer_text(out, ",\"received_at\":");
    fr_json_time_ms(out, value->received_ms);
    fr_buffer_byte(out, '}');
}

static bool put_value(void *ctx, const struct fr_last_value *value)
{
    struct fr_buffer *out = ctx;
    struct fr_record *record = fr_values_record(value);
    const struct fr_data *data = record != NULL ? fr_record_data(record) : NULL;

    if (record != NULL && record->type == FR_RECORD_PRESENCE) {
        fr_buffer_text(out, "},\"presence\":");
        fr_json_tesla(out, record, false);
    } else if (data != NULL && data->count == 1) {
        if (out->len != 0 && out->bytes[out->len - 1] != '{')
            fr_buffer_byte(out, ',');
        put_datum(out, value, record, &data->datum[0]);
    }
    if (record != NULL)
        fr_record_unref(record);
    return true;
}

/* {"vin":…,"values":{"Gear":{"value":…},…},"presence":{…}}; presence has the last number. */
static void values(void *ctx, const char *rest, struct fr_buffer *out)
{
    struct fr_daemon *d = ctx;
    struct fr_error error;
    size_t fresh;

    if (d->values == NULL) {
        put_error(out, "no last values are kept (`journal: off`, or `values: off` in it)");
        return;
    }
    fr_values_sync(d->values, SYNC_MS);
    fr_buffer_text(out, "{\"vin\":");
    fr_json_string(out, rest, strlen(rest));
    fr_buffer_text(out, ",\"values\":{");
    fresh = out->len;
    if (fr_values_each(d->values, rest, put_value, out, &error) != 0)
        put_error(out, error.text);
    else if (out->len == fresh)
        put_error(out, "nothing is known of this VIN");
    else
        fr_buffer_text(out, strstr(fr_buffer_string(out) + fresh, "},\"presence\":") ? "}" : "}}");
}

/* ---- rewind SINK SEQ ------------------------------------------------------------- */

/* Where a sink may go: a place before the oldest record becomes the oldest. -1 and why. */
static int rewind_place(struct fr_daemon *d, uint64_t *seq, struct fr_error *error)
{
    struct fr_journal_status s;

    if (d->journal == NULL)
        return fr_error_set(error, "there is no journal to go back in");
    fr_journal_status(d->journal, &s);
    return fr_store_place(&s.usage, seq, error);
}

/* {"rewound_to":7}: the place, which is the oldest record where an older one was asked for. */
static void rewind_sink(void *ctx, const char *rest, struct fr_buffer *out)
{
    struct fr_daemon *d = ctx;
    const char *space = strrchr(rest, ' ');
    unsigned long long number;
    struct fr_error error;
    uint64_t seq;
    char *end;

    errno = 0;
    if (space == NULL || space[1] < '0' || space[1] > '9' ||
        (number = strtoull(space + 1, &end, 10), *end != '\0') || errno != 0) {
        put_error(out, "rewind needs a sink's name and a number");
        return;
    }
    seq = number;
    if (rewind_place(d, &seq, &error) != 0) {
        put_error(out, error.text);
        return;
    }
    for (size_t i = 0; i < d->started; i++) {
        const char *name = fr_sink_name(d->setup->sinks[i]);

        if (strlen(name) != (size_t)(space - rest) || strncmp(name, rest, strlen(name)) != 0)
            continue;
        if (fr_sink_rewind(d->setup->sinks[i], seq))
            fr_buffer_printf(out, "{\"rewound_to\":%llu}", (unsigned long long)seq);
        else
            put_error(out, "the sink does not run");
        return;
    }
    put_error(out, "there is no sink of that name");
}

static struct fr_replay *replay(void *ctx, void (*stored)(void *owner), void *owner)
{
    struct fr_daemon *d = ctx;

    if (d->journal == NULL)
        return NULL;
    return fr_replay_new(d->journal, d->setup->routing, stored, owner);
}

static const struct fr_control_order orders[] = {
    {"status", status},
    {"values", values},
    {"rewind", rewind_sink},
    {NULL, NULL},
};

const struct fr_control_orders fr_daemon_orders = {
    .orders = orders, .replay = replay, .reload = reload};
