#include "record/json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "record/field_catalogue.h"
#include "util/redact.h"

#define SECONDS_MIN (-INT64_C(62135596800))
#define SECONDS_MAX INT64_C(253402300799)

static void put_text(struct fr_buffer *out, const char *text)
{
    fr_json_string(out, text, strlen(text));
}

#define DECIMALS_MAX 9 /* that are looked for without printf */

/* Write digits / 10^decimals in front of `end`; returns the first character. */
static char *json_digits(char *end, uint64_t digits, int decimals)
{
    for (int i = 0; i <= decimals || digits != 0; i++) {
        if (i == decimals && decimals != 0)
            *--end = '.';
        *--end = (char)('0' + digits % 10);
        digits /= 10;
    }
    return end;
}

/* A number of at most 15 digits and few decimals, as nearly all of them are. No other number of 15
 * digits is the same double, so these are the digits that printf would find. */
static bool json_short_number(struct fr_buffer *out, double number)
{
    double size = fabs(number), scale = 1;
    char text[40], *end = text + sizeof text, *at;

    if (size != 0 && (size < 1e-4 || size >= 1e15))
        return false;
    for (int decimals = 0; decimals <= DECIMALS_MAX && size * scale < 1e15; decimals++) {
        double digits = rint(size * scale);

        if (digits / scale == size) {
            at = json_digits(end, (uint64_t)digits, decimals);
            if (number < 0)
                *--at = '-';
            fr_buffer_append(out, at, (size_t)(end - at));
            return true;
        }
        scale *= 10;
    }
    return false;
}

void fr_json_number(struct fr_buffer *out, double number)
{
    char text[40];

    if (!isfinite(number)) {
        fr_buffer_text(out, "null");
        return;
    }
    if (json_short_number(out, number))
        return;
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, number);
        if (strtod(text, NULL) == number)
            break;
    }
    fr_buffer_text(out, text);
}

/* A date, held within the years 1 to 9999 that RFC 3339 can write. */
static void date_of(int64_t seconds, struct tm *tm)
{
    time_t t = (time_t)(seconds < SECONDS_MIN   ? SECONDS_MIN
                        : seconds > SECONDS_MAX ? SECONDS_MAX
                                                : seconds);

    if (gmtime_r(&t, tm) == NULL)
        memset(tm, 0, sizeof *tm);
}

void fr_json_rfc3339(struct fr_buffer *out, int64_t seconds, int32_t nanos)
{
    struct tm tm;

    date_of(seconds, &tm);
    if (nanos < 0 || nanos > 999999999) /* no fraction of a second */
        nanos = 0;
    fr_buffer_printf(out, "%04d-%02d-%02dT%02d:%02d:%02d", tm.tm_year + 1900, tm.tm_mon + 1,
                     tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec);
    if (nanos % 1000 != 0)
        fr_buffer_printf(out, ".%09d", (int)nanos);
    else if (nanos % 1000000 != 0)
        fr_buffer_printf(out, ".%06d", (int)(nanos / 1000));
    else if (nanos != 0)
        fr_buffer_printf(out, ".%03d", (int)(nanos / 1000000));
    fr_buffer_byte(out, 'Z');
}

void fr_json_time_ms(struct fr_buffer *out, int64_t ms)
{
    int64_t seconds = ms / 1000 - (ms % 1000 < 0);
    struct tm tm;

    date_of(seconds, &tm);
    fr_buffer_printf(out, "\"%04d-%02d-%02dT%02d:%02d:%02d.%03dZ\"", tm.tm_year + 1900,
                     tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec,
                     (int)(ms - seconds * 1000));
}

static void put_bits(struct fr_buffer *out, uint32_t bits, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        fr_buffer_printf(out, "%c\"%s\":%s", i == 0 ? '{' : ',', names[i],
                         bits >> i & 1 ? "true" : "false");
    fr_buffer_byte(out, '}');
}

const char *const fr_door_names[FR_DOOR_NAMES] = {"driver_front",    "driver_rear",
                                                  "passenger_front", "passenger_rear",
                                                  "trunk_front",     "trunk_rear"};
const char *const fr_tire_names[FR_TIRE_NAMES] = {"front_left",
                                                  "front_right",
                                                  "rear_left",
                                                  "rear_right",
                                                  "semi_middle_axle_left_2",
                                                  "semi_middle_axle_right_2",
                                                  "semi_rear_axle_left",
                                                  "semi_rear_axle_right",
                                                  "semi_rear_axle_left_2",
                                                  "semi_rear_axle_right_2"};

void fr_json_value(struct fr_buffer *out, const struct fr_value *value)
{
    switch (value->kind) {
    case FR_VALUE_BOOL:
        fr_buffer_text(out, value->boolean ? "true" : "false");
        break;
    case FR_VALUE_INT:
        fr_buffer_printf(out, "%lld", (long long)value->integer);
        break;
    case FR_VALUE_REAL:
        fr_json_number(out, value->real);
        break;
    case FR_VALUE_TEXT:
        fr_json_string(out, value->text.bytes, value->text.len);
        break;
    case FR_VALUE_ENUM:
        if (value->choice.name != NULL)
            put_text(out, value->choice.name);
        else
            fr_buffer_printf(out, "\"unknown(%d)\"", (int)value->choice.number);
        break;
    case FR_VALUE_LOCATION:
        fr_buffer_text(out, "{\"latitude\":");
        fr_json_number(out, value->location.latitude);
        fr_buffer_text(out, ",\"longitude\":");
        fr_json_number(out, value->location.longitude);
        fr_buffer_byte(out, '}');
        break;
    case FR_VALUE_DOORS:
        put_bits(out, value->bits, fr_door_names, FR_DOOR_NAMES);
        break;
    case FR_VALUE_TIRES:
        put_bits(out, value->bits, fr_tire_names, FR_TIRE_NAMES);
        break;
    case FR_VALUE_CLOCK:
        fr_buffer_printf(out, "\"%02d:%02d:%02d\"", (int)value->clock.hour,
                         (int)value->clock.minute, (int)value->clock.second);
        break;
    case FR_VALUE_NONE:
    case FR_VALUE_INVALID:
    default:
        fr_buffer_text(out, "null");
        break;
    }
}

/* ---- a record -------------------------------------------------------------------- */

/* Which data of a record come again behind it: of several values of one field the last counts. */
struct repeats {
    const struct fr_data *data;
    bool *again; /* NULL: there are few data, or no memory; they are compared with each other */
};

#define REPEATS_FEW 32
#define REPEATS_SLOTS (2 * FR_PAYLOAD_DATA_MAX) /* a power of two, twice the data of a message */

/* Note a field. True: it was there. Slots hold the field's number plus one. */
static bool repeats_insert(uint64_t *slots, uint32_t field)
{
    size_t at = (field * UINT32_C(2654435761)) & (REPEATS_SLOTS - 1);

    while (slots[at] != 0 && slots[at] != (uint64_t)field + 1)
        at = (at + 1) & (REPEATS_SLOTS - 1);
    if (slots[at] != 0)
        return true;
    slots[at] = (uint64_t)field + 1;
    return false;
}

static struct repeats repeats_of(const struct fr_data *data)
{
    struct repeats r = {.data = data};
    uint64_t *slots;

    if (data->count <= REPEATS_FEW || data->count > FR_PAYLOAD_DATA_MAX)
        return r;
    slots = calloc(REPEATS_SLOTS, sizeof *slots);
    r.again = slots != NULL ? malloc(data->count * sizeof *r.again) : NULL;
    for (size_t i = data->count; r.again != NULL && i-- > 0;)
        r.again[i] = repeats_insert(slots, data->datum[i].field);
    free(slots);
    return r;
}

static bool comes_again(const struct repeats *r, size_t place)
{
    const struct fr_data *data = r->data;

    if (r->again != NULL)
        return r->again[place];
    for (size_t i = place + 1; i < data->count; i++)
        if (data->datum[i].field == data->datum[place].field)
            return true;
    return false;
}

/* ,"invalid":["Gear"]: the names of the data of one kind, if there are any. */
static void put_names(struct fr_buffer *out, const char *key, const struct repeats *repeats,
                      enum fr_value_kind kind)
{
    const struct fr_data *data = repeats->data;
    char name[FR_FIELD_NAME_SIZE];
    bool any = false;

    for (size_t i = 0; i < data->count; i++) {
        if (data->datum[i].value.kind != kind || comes_again(repeats, i))
            continue;
        if (!any)
            fr_buffer_printf(out, ",\"%s\":[", key);
        else
            fr_buffer_byte(out, ',');
        put_text(out, fr_field_name(data->datum[i].field, name));
        any = true;
    }
    if (any)
        fr_buffer_byte(out, ']');
}

/* A place's name tells as much as its coordinates. */
static bool is_secret(uint32_t field)
{
    return field == 108 /* RouteLine */ || field == 163 /* DestinationName */ ||
           field == 64 /* VehicleName */;
}

static void put_redacted(struct fr_buffer *out, const struct fr_datum *datum)
{
    struct fr_value value = datum->value;

    if (value.kind == FR_VALUE_LOCATION) {
        value.location.latitude = fr_redacted_degrees(value.location.latitude);
        value.location.longitude = fr_redacted_degrees(value.location.longitude);
    }
    if (is_secret(datum->field) || (datum->field == 21 && value.kind == FR_VALUE_TEXT))
        fr_buffer_text(out, "\"redacted\"");
    else
        fr_json_value(out, &value);
}

static void put_data(struct fr_buffer *out, struct fr_record *record, bool redact)
{
    static const struct fr_data none = {0};
    const struct fr_data *data = fr_record_data(record);
    struct repeats repeats = repeats_of(data != NULL ? data : &none);
    char name[FR_FIELD_NAME_SIZE];
    bool first = true;

    fr_buffer_text(out, ",\"data\":{");
    for (size_t i = 0; i < repeats.data->count; i++) {
        const struct fr_datum *datum = &repeats.data->datum[i];

        if (comes_again(&repeats, i))
            continue;
        if (!first)
            fr_buffer_byte(out, ',');
        first = false;
        put_text(out, fr_field_name(datum->field, name));
        fr_buffer_byte(out, ':');
        if (redact)
            put_redacted(out, datum);
        else
            fr_json_value(out, &datum->value);
    }
    fr_buffer_byte(out, '}');
    put_names(out, "invalid", &repeats, FR_VALUE_INVALID);
    put_names(out, "empty", &repeats, FR_VALUE_NONE);
    free(repeats.again);
}

/* Splice in the members of Tesla's JSON object: ,"alerts":[…],… */
static void put_message(struct fr_buffer *out, const struct fr_record *record, bool redact)
{
    struct fr_buffer tesla = {0};

    if (fr_json_tesla_members(&tesla, record, redact) == 0 && tesla.len > 2) {
        fr_buffer_byte(out, ',');
        fr_buffer_append(out, tesla.bytes + 1, tesla.len - 2);
    }
    fr_buffer_free(&tesla);
}

/* txids are opaque; one that is not UTF-8 is shown in hexadecimal. */
static void put_txid(struct fr_buffer *out, const struct fr_record *record)
{
    bool plain = true;

    for (size_t i = 0; i < record->txid_len && plain; i++)
        plain = record->txid[i] >= 0x20 && record->txid[i] < 0x7f;
    if (plain) {
        fr_json_string(out, record->txid, record->txid_len);
        return;
    }
    fr_buffer_text(out, "\"hex:");
    for (size_t i = 0; i < record->txid_len; i++)
        fr_buffer_printf(out, "%02x", (unsigned char)record->txid[i]);
    fr_buffer_byte(out, '"');
}

static void put_marks(struct fr_buffer *out, uint32_t marks)
{
    if (marks & FR_MARK_RESEND)
        fr_buffer_text(out, ",\"resend\":true");
    if (marks & FR_MARK_LATE)
        fr_buffer_text(out, ",\"late\":true");
    if (marks & FR_MARK_RESTORED)
        fr_buffer_text(out, ",\"restored\":true");
    if (marks & FR_MARK_REPEATED)
        fr_buffer_text(out, ",\"repeated\":true");
}

void fr_json_field(struct fr_buffer *out, const struct fr_delivery *delivery)
{
    fr_buffer_text(out, "{\"vin\":");
    put_text(out, delivery->vin);
    if (delivery->vehicle_name != NULL) {
        fr_buffer_text(out, ",\"name\":");
        put_text(out, delivery->vehicle_name);
    }
    fr_buffer_text(out, ",\"field\":");
    put_text(out, delivery->name);
    fr_buffer_text(out, ",\"value\":");
    fr_json_value(out, &delivery->value);
    if (delivery->value.kind == FR_VALUE_INVALID)
        fr_buffer_text(out, ",\"state\":\"invalid\"");
    if (delivery->value.kind == FR_VALUE_NONE)
        fr_buffer_text(out, ",\"state\":\"empty\"");
    if (delivery->unit[0] != '\0') {
        fr_buffer_text(out, ",\"unit\":");
        put_text(out, delivery->unit);
    }
    if (delivery->created_ms != 0) {
        fr_buffer_text(out, ",\"created_at\":");
        fr_json_time_ms(out, delivery->created_ms);
    }
    fr_buffer_text(out, ",\"received_at\":");
    fr_json_time_ms(out, delivery->received_ms);
    put_marks(out, delivery->marks);
    fr_buffer_byte(out, '}');
}

void fr_json_record(struct fr_buffer *out, struct fr_record *record, const char *vehicle_name,
                    uint32_t marks, bool redact)
{
    char shown[FR_REDACTED_VIN_SIZE];

    fr_buffer_text(out, "{\"type\":");
    put_text(out, record->topic);
    fr_buffer_text(out, ",\"vin\":");
    put_text(out, redact ? fr_redacted_vin(record->vin, shown) : record->vin);
    if (vehicle_name != NULL && !redact) {
        fr_buffer_text(out, ",\"name\":");
        put_text(out, vehicle_name);
    }
    fr_buffer_text(out, ",\"txid\":");
    put_txid(out, record);
    if (record->created_ns != 0) {
        fr_buffer_text(out, ",\"created_at\":");
        fr_json_time_ms(out, record->created_ns / 1000000);
    }
    fr_buffer_text(out, ",\"received_at\":");
    fr_json_time_ms(out, record->received_ms);
    put_marks(out, marks);
    if (record->type == FR_RECORD_V)
        put_data(out, record, redact);
    else if (record->type != FR_RECORD_OTHER)
        put_message(out, record, redact);
    else
        fr_buffer_printf(out, ",\"bytes\":%zu", record->payload_len);
    fr_buffer_byte(out, '}');
}
