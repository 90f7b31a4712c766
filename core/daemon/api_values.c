#include "daemon/api_values.h"

#include <string.h>

#include "record/field_catalogue.h"
#include "record/json.h"
#include "record/json_tesla.h"
#include "util/redact.h"

#define LATE_MS 60000

struct values_writer {
    struct fr_buffer *out;
    struct fr_buffer presence;
    int64_t start_ms, now_ms;
    int count;
};

static void values_put_text(struct fr_buffer *out, const char *name, const char *text)
{
    if (text[0] == '\0')
        return;
    fr_buffer_printf(out, ",\"%s\":", name);
    fr_json_string(out, text, strlen(text));
}

static void values_put_datum(struct values_writer *w, const struct fr_last_value *value,
                             const struct fr_record *record, const struct fr_datum *datum)
{
    char buffer[FR_FIELD_NAME_SIZE];
    const char *name = fr_field_name(value->field, buffer);
    const struct fr_field *field = fr_field_by_number(value->field);
    int64_t created_ms = record->created_ns / 1000000;
    int64_t since_ms = created_ms != 0 ? created_ms : value->received_ms;
    struct fr_buffer *out = w->out;

    if (w->count++ != 0)
        fr_buffer_byte(out, ',');
    fr_json_string(out, name, strlen(name));
    fr_buffer_text(out, ":{\"value\":");
    fr_json_datum(out, datum, fr_redacting());
    values_put_text(out, "unit", field != NULL ? field->unit : "");
    values_put_text(out, "category", field != NULL ? field->category : "");
    fr_buffer_printf(out, ",\"created_ms\":%lld,\"received_ms\":%lld,\"age_ms\":%lld",
                     (long long)created_ms, (long long)value->received_ms,
                     (long long)(w->now_ms > since_ms ? w->now_ms - since_ms : 0));
    if (datum->value.kind == FR_VALUE_INVALID)
        fr_buffer_text(out, ",\"invalid\":true");
    if (created_ms != 0 && value->received_ms - created_ms >= LATE_MS)
        fr_buffer_text(out, ",\"late\":true");
    if (value->received_ms < w->start_ms)
        fr_buffer_text(out, ",\"restored\":true");
    fr_buffer_byte(out, '}');
}

static bool values_put(void *ctx, const struct fr_last_value *value)
{
    struct values_writer *w = ctx;
    struct fr_record *record = fr_values_record(value);
    const struct fr_data *data = record != NULL ? fr_record_data(record) : NULL;

    if (record != NULL && record->type == FR_RECORD_PRESENCE) {
        if (fr_json_tesla(&w->presence, record, fr_redacting()) != 0)
            fr_buffer_clear(&w->presence);
    } else if (data != NULL && data->count == 1)
        values_put_datum(w, value, record, &data->datum[0]);
    if (record != NULL)
        fr_record_unref(record);
    return true;
}

int fr_api_put_values(struct fr_buffer *out, struct fr_values *values, const char *vin,
                      int64_t start_ms, int64_t now_ms, struct fr_error *error)
{
    struct values_writer w = {.out = out, .start_ms = start_ms, .now_ms = now_ms};
    int status = 0;

    if (values == NULL) {
        fr_buffer_text(out, ",\"values\":null");
        return 0;
    }
    fr_buffer_text(out, ",\"values\":{");
    status = fr_values_each(values, vin, values_put, &w, error);
    fr_buffer_byte(out, '}');
    if (status == 0 && w.presence.len != 0) {
        fr_buffer_text(out, ",\"presence\":");
        fr_buffer_append(out, w.presence.bytes, w.presence.len);
        w.count++;
    }
    fr_buffer_free(&w.presence);
    return status == 0 ? w.count : -1;
}
