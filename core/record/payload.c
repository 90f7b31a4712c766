#include "record/payload.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "record/field_catalogue.h"
#include "record/proto_message.h"
#include "record/proto_rewrite.h"
#include "record/text.h"
#include "record/value.h"
#include "record/wire_write.h"
#include "vehicle_data.pb-c.h"

enum { PAYLOAD_DATA = 1, PAYLOAD_CREATED_AT = 2, PAYLOAD_VIN = 3, PAYLOAD_IS_RESEND = 4 };
enum { DATUM_KEY = 1, DATUM_VALUE = 2 };

#define FIELD_LOCATION TELEMETRY__VEHICLE_DATA__FIELD__Location
#define NS_PER_S 1000000000

/* Decode a google.protobuf.Timestamp. *usual: it is encoded as by Tesla's server. */
static int payload_parse_time(const uint8_t *bytes, size_t len, int64_t *ns, bool *usual)
{
    struct fr_wire wire = fr_wire_over(bytes, len);
    int64_t seconds = 0, nanos = 0;
    struct fr_wire_field f;
    uint32_t last = 0;
    int more;

    *usual = true;
    while ((more = fr_wire_next(&wire, &f)) > 0) {
        *usual = *usual && f.type == FR_WIRE_VARINT && f.number > last && f.number <= 2 &&
                 f.varint != 0 && (f.number == 1 || f.varint <= INT32_MAX);
        last = f.number;
        if (f.type == FR_WIRE_VARINT && f.number == 1)
            seconds = (int64_t)f.varint;
        else if (f.type == FR_WIRE_VARINT && f.number == 2)
            nanos = (int32_t)(uint32_t)f.varint;
    }
    *usual = *usual && !wire.has_overlong;
    if (seconds > INT64_MAX / NS_PER_S - 3)
        seconds = INT64_MAX / NS_PER_S - 3;
    if (seconds < INT64_MIN / NS_PER_S + 3)
        seconds = INT64_MIN / NS_PER_S + 3;
    *ns = seconds * NS_PER_S + nanos;
    return more;
}

struct datum {
    uint32_t key;
    bool usual; /* encoded as by Tesla's server: the key, then the value, and nothing else */
    struct fr_wire_value value;
    bool has_value;
};

/* Decode a datum. Several occurrences of its Value are merged. Returns 0; -1: malformed. */
static int payload_parse_datum(const uint8_t *bytes, size_t len, struct datum *datum)
{
    struct fr_wire wire = fr_wire_over(bytes, len);
    struct fr_wire_field f;
    unsigned fields = 0;
    int more;

    datum->key = 0;
    datum->value.tag = 0;
    datum->value.usual = true;
    datum->usual = true;
    datum->has_value = false;
    while ((more = fr_wire_next(&wire, &f)) > 0) {
        fields++;
        if (f.type == FR_WIRE_VARINT && f.number == DATUM_KEY) {
            datum->key = (uint32_t)f.varint;
            datum->usual = datum->usual && fields == 1 && f.varint != 0 && f.varint <= INT32_MAX;
        } else if (f.type == FR_WIRE_BYTES && f.number == DATUM_VALUE) {
            if (fr_value_parse(f.bytes, f.len, &datum->value) != 0)
                return -1;
            datum->has_value = true;
            datum->usual = datum->usual && fields == 2;
        } else
            datum->usual = false;
    }
    datum->usual =
        datum->usual && fields == 2 && datum->has_value && datum->value.usual && !wire.has_overlong;
    return more;
}

/* Whether the value is text that Tesla's server rewrites: a location or a scientific number. */
static bool payload_is_old_text(const struct datum *datum)
{
    const char *text;
    size_t len;

    if (datum->value.tag != FR_MEMBER_STRING || datum->value.text.len == 0)
        return false;
    text = datum->value.text.bytes;
    len = datum->value.text.len;
    return (datum->key == FIELD_LOCATION && text[0] == '(') || fr_text_is_scientific(text, len);
}

/* Check a field of the message and store its value. Returns 0; -1: malformed. */
static int payload_inspect_field(const struct fr_wire_field *f, struct fr_payload_info *info)
{
    struct datum datum;
    bool usual = false;

    if (f->type == FR_WIRE_VARINT && f->number == PAYLOAD_IS_RESEND) {
        info->resend = f->varint != 0;
        usual = f->varint == 1;
    } else if (f->type == FR_WIRE_BYTES && f->number == PAYLOAD_DATA) {
        if (++info->data > FR_PAYLOAD_DATA_MAX ||
            payload_parse_datum(f->bytes, f->len, &datum) != 0)
            return -1;
        info->old_text = info->old_text || payload_is_old_text(&datum);
        usual = datum.usual;
    } else if (f->type == FR_WIRE_BYTES && f->number == PAYLOAD_CREATED_AT) {
        if (payload_parse_time(f->bytes, f->len, &info->created_ns, &usual) != 0)
            return -1;
    } else if (f->type == FR_WIRE_BYTES && f->number == PAYLOAD_VIN) {
        if (!fr_text_is_utf8(f->bytes, f->len))
            return -1;
        info->vin = f->bytes;
        info->vin_len = f->len;
        usual = true;
    } else
        usual = f->number > PAYLOAD_IS_RESEND && f->type != FR_WIRE_GROUP;
    info->usual = info->usual && usual;
    return 0;
}

int fr_payload_inspect(const uint8_t *bytes, size_t len, struct fr_payload_info *info)
{
    struct fr_wire wire = fr_wire_over(bytes, len);
    struct fr_wire_field f = {0};
    uint32_t last = 0;
    int more;

    memset(info, 0, sizeof *info);
    info->usual = true;
    while ((more = fr_wire_next(&wire, &f)) > 0) {
        if (f.number < last || (f.number == last && f.number != PAYLOAD_DATA))
            info->usual = false;
        last = f.number;
        if (payload_inspect_field(&f, info) != 0)
            return -1;
    }
    info->usual = info->usual && !wire.has_overlong;
    return more;
}

/* ---- rewrite --------------------------------------------------------------------- */

static void payload_put_datum(struct fr_buffer *out, uint32_t key, const void *value, size_t len)
{
    struct fr_buffer datum = {0};

    if (key != 0)
        fr_put_number(&datum, DATUM_KEY, (uint64_t)(int64_t)(int32_t)key);
    fr_put_bytes(&datum, DATUM_VALUE, value, len);
    fr_put_nested(out, PAYLOAD_DATA, &datum);
}

static void payload_put_real(struct fr_buffer *out, uint32_t field, double real)
{
    if (real != 0 || signbit(real))
        fr_put_double(out, field, real);
}

/* Encode the message Value of a text that Tesla's server rewrites. Returns false for other texts.
 * Of a message, only the first datum of the field Location is converted to a location. */
static bool payload_rewrite_value(struct fr_buffer *value, const struct datum *datum,
                                  bool is_first_location)
{
    const char *text = datum->value.text.bytes;
    size_t len = datum->value.text.len;
    char decimal[FR_TESLA_DECIMAL_SIZE];
    struct fr_buffer location = {0};
    double latitude, longitude;

    if (datum->value.tag != FR_MEMBER_STRING)
        return false;
    if (is_first_location && fr_text_tesla_location(text, len, &latitude, &longitude)) {
        payload_put_real(&location, 1, latitude);
        payload_put_real(&location, 2, longitude);
        fr_put_nested(value, FR_MEMBER_LOCATION, &location);
        return true;
    }
    if (!fr_text_tesla_decimal(text, len, decimal))
        return false;
    fr_put_bytes(value, FR_MEMBER_STRING, decimal, strlen(decimal));
    return true;
}

/* Append a datum with another value. Its unknown fields are kept. */
static void payload_put_rewritten(struct fr_buffer *out, const struct fr_wire_field *f,
                                  uint32_t key, struct fr_buffer *value)
{
    struct fr_wire wire = fr_wire_over(f->bytes, f->len);
    struct fr_buffer datum = {0};
    struct fr_wire_field part;

    if (key != 0)
        fr_put_number(&datum, DATUM_KEY, (uint64_t)(int64_t)(int32_t)key);
    fr_put_nested(&datum, DATUM_VALUE, value);
    while (fr_wire_next(&wire, &part) > 0)
        if (fr_proto_field(&telemetry__vehicle_data__datum__descriptor, &part) == NULL)
            fr_proto_put_unknown(&datum, &part);
    fr_put_nested(out, PAYLOAD_DATA, &datum);
}

static bool payload_rewrite_datum(void *ctx, const struct fr_wire_field *f, struct fr_buffer *out)
{
    bool *location_seen = ctx, is_first_location;
    struct fr_buffer value = {0};
    struct datum datum;

    if (payload_parse_datum(f->bytes, f->len, &datum) != 0)
        return false;
    is_first_location = datum.key == FIELD_LOCATION && !*location_seen;
    *location_seen = *location_seen || is_first_location;
    if (payload_rewrite_value(&value, &datum, is_first_location))
        payload_put_rewritten(out, f, datum.key, &value);
    else if (datum.usual)
        fr_put_bytes(out, PAYLOAD_DATA, f->bytes, f->len);
    else
        return false;
    return true;
}

void fr_payload_rewrite(const uint8_t *bytes, size_t len, const char *vin, struct fr_buffer *out)
{
    bool location_seen = false;
    struct fr_proto_changes changes = {
        .vin = vin, .rewrite_item = payload_rewrite_datum, .ctx = &location_seen};

    fr_proto_rewrite(&telemetry__vehicle_data__payload__descriptor, bytes, len, &changes, out);
}

/* ---- decode ---------------------------------------------------------------------- */

size_t fr_payload_decode(const uint8_t *bytes, size_t len, struct fr_datum *data, size_t max,
                         size_t *as_sent)
{
    struct fr_wire wire = fr_wire_over(bytes, len);
    struct fr_wire_field f;
    size_t n = 0;

    *as_sent = 0;
    while (n < max && fr_wire_next(&wire, &f) > 0) {
        struct datum datum;

        if (f.number != PAYLOAD_DATA || f.type != FR_WIRE_BYTES ||
            payload_parse_datum(f.bytes, f.len, &datum) != 0)
            continue;
        data[n].field = datum.key;
        data[n].wire = f.bytes;
        data[n].wire_len = f.len;
        if (!fr_value_canonical(fr_field_by_number(datum.key), &datum.value, &data[n].value))
            (*as_sent)++;
        n++;
    }
    return n;
}

/* ---- single data ----------------------------------------------------------------- */

bool fr_payload_value_as_sent(const uint8_t *datum, size_t len, struct fr_wire_value *value)
{
    struct datum parsed;

    if (payload_parse_datum(datum, len, &parsed) != 0 || !parsed.has_value)
        return false;
    *value = parsed.value;
    return true;
}

void fr_payload_each(const uint8_t *bytes, size_t len,
                     void (*each)(void *ctx, uint32_t field, const uint8_t *value, size_t len),
                     void *ctx)
{
    struct fr_wire wire = fr_wire_over(bytes, len);
    struct fr_wire_field f, part;

    while (fr_wire_next(&wire, &f) > 0) {
        struct fr_wire datum;
        const uint8_t *value = NULL;
        size_t value_len = 0;
        uint32_t key = 0;

        if (f.number != PAYLOAD_DATA || f.type != FR_WIRE_BYTES)
            continue;
        datum = fr_wire_over(f.bytes, f.len);
        while (fr_wire_next(&datum, &part) > 0) {
            if (part.type == FR_WIRE_VARINT && part.number == DATUM_KEY)
                key = (uint32_t)part.varint;
            else if (part.type == FR_WIRE_BYTES && part.number == DATUM_VALUE) {
                value = part.bytes;
                value_len = part.len;
            }
        }
        each(ctx, key, value != NULL ? value : bytes, value_len);
    }
}

void fr_payload_each_part(const uint8_t *bytes, size_t len,
                          void (*each)(void *ctx, const uint8_t *part, size_t len), void *ctx)
{
    struct fr_wire wire = fr_wire_over(bytes, len);
    struct fr_wire_field f;

    while (fr_wire_next(&wire, &f) > 0)
        if (f.number != PAYLOAD_IS_RESEND || f.type != FR_WIRE_VARINT)
            each(ctx, f.start, (size_t)(f.finish - f.start));
}

static void payload_put_origin(struct fr_buffer *out, const char *vin, int64_t created_ns)
{
    if (created_ns > 0)
        fr_put_time(out, PAYLOAD_CREATED_AT, created_ns);
    fr_put_bytes(out, PAYLOAD_VIN, vin, strlen(vin));
}

void fr_payload_of_one(struct fr_buffer *out, const char *vin, int64_t created_ns, uint32_t field,
                       const uint8_t *value, size_t len)
{
    payload_put_datum(out, field, value, len);
    payload_put_origin(out, vin, created_ns);
}

void fr_payload_of_datum(struct fr_buffer *out, const char *vin, int64_t created_ns,
                         const uint8_t *datum, size_t len)
{
    fr_put_bytes(out, PAYLOAD_DATA, datum, len);
    payload_put_origin(out, vin, created_ns);
}
