#include "record/payload.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "record/field_catalogue.h"
#include "record/text.h"
#include "record/value.h"
#include "record/wire_write.h"

enum { PAYLOAD_DATA = 1, PAYLOAD_CREATED_AT = 2, PAYLOAD_VIN = 3, PAYLOAD_IS_RESEND = 4 };
enum { DATUM_KEY = 1, DATUM_VALUE = 2 };

#define FIELD_LOCATION 21
#define NS_PER_S 1000000000

int fr_timestamp_parse(const uint8_t *bytes, size_t len, int64_t *ns)
{
    struct fr_wire wire = fr_wire_over(bytes, len);
    struct fr_wire_field f;
    int64_t seconds = 0, nanos = 0;
    int more;

    while ((more = fr_wire_next(&wire, &f)) > 0) {
        if (f.type == FR_WIRE_VARINT && f.number == 1)
            seconds = (int64_t)f.varint;
        else if (f.type == FR_WIRE_VARINT && f.number == 2)
            nanos = (int32_t)(uint32_t)f.varint;
    }
    if (seconds > INT64_MAX / NS_PER_S - 3)
        seconds = INT64_MAX / NS_PER_S - 3;
    if (seconds < INT64_MIN / NS_PER_S + 3)
        seconds = INT64_MIN / NS_PER_S + 3;
    *ns = seconds * NS_PER_S + nanos;
    return more;
}

struct datum {
    uint32_t key;
    struct fr_wire_value value;
    const uint8_t *wire; /* the value's bytes; NULL: none */
    size_t wire_len;
};

/* The first words of a datum's fields are nearly always key, then value. */
static int parse_datum(const uint8_t *bytes, size_t len, struct datum *datum)
{
    struct fr_wire wire = fr_wire_over(bytes, len);
    struct fr_wire_field f;
    int more;

    datum->key = 0;
    datum->value.tag = 0;
    datum->wire = NULL;
    datum->wire_len = 0;
    while ((more = fr_wire_next(&wire, &f)) > 0) {
        if (f.type == FR_WIRE_VARINT && f.number == DATUM_KEY)
            datum->key = (uint32_t)f.varint;
        else if (f.type == FR_WIRE_BYTES && f.number == DATUM_VALUE) {
            if (fr_value_parse(f.bytes, f.len, &datum->value) != 0)
                return -1;
            datum->wire = f.bytes;
            datum->wire_len = f.len;
        }
    }
    return more;
}

static bool is_old_text(const struct datum *datum)
{
    const char *text;
    size_t len;

    if (datum->value.tag != FR_MEMBER_STRING || datum->value.text.len == 0)
        return false;
    text = datum->value.text.bytes;
    len = datum->value.text.len;
    return (datum->key == FIELD_LOCATION && text[0] == '(') || fr_text_is_scientific(text, len);
}

int fr_payload_inspect(const uint8_t *bytes, size_t len, struct fr_payload_info *info)
{
    struct fr_wire wire = fr_wire_over(bytes, len);
    struct fr_wire_field f;
    uint32_t last = 0;
    struct datum datum;
    int more;

    memset(info, 0, sizeof *info);
    info->ordered = true;
    while ((more = fr_wire_next(&wire, &f)) > 0) {
        if (f.number < last || (f.number == last && f.number != PAYLOAD_DATA))
            info->ordered = false;
        last = f.number;
        if (f.type == FR_WIRE_VARINT && f.number == PAYLOAD_IS_RESEND)
            info->resend = f.varint != 0;
        if (f.type != FR_WIRE_BYTES)
            continue;
        switch (f.number) {
        case PAYLOAD_DATA:
            if (++info->data > FR_PAYLOAD_DATA_MAX || parse_datum(f.bytes, f.len, &datum) != 0)
                return -1;
            info->old_text = info->old_text || is_old_text(&datum);
            break;
        case PAYLOAD_CREATED_AT:
            if (fr_timestamp_parse(f.bytes, f.len, &info->created_ns) != 0)
                return -1;
            break;
        case PAYLOAD_VIN:
            if (!fr_text_is_utf8(f.bytes, f.len))
                return -1;
            info->vin = f.bytes;
            info->vin_len = f.len;
            break;
        default:
            break;
        }
    }
    return more;
}

/* ---- rewriting ------------------------------------------------------------------- */

static void put_datum(struct fr_buffer *out, uint32_t key, const void *value, size_t len)
{
    struct fr_buffer datum = {0};

    fr_put_number(&datum, DATUM_KEY, key);
    fr_put_bytes(&datum, DATUM_VALUE, value, len);
    fr_put_nested(out, PAYLOAD_DATA, &datum);
}

/* Returns whether the text was a location and a datum for it was put. */
static bool put_location(struct fr_buffer *out, const struct datum *datum)
{
    uint8_t value[20] = {FR_MEMBER_LOCATION << 3 | FR_WIRE_BYTES, 18, 1 << 3 | FR_WIRE_FIXED64};
    double latitude, longitude;

    if (datum->value.text.len == 0 || datum->value.text.bytes[0] != '(' ||
        !fr_text_to_location(datum->value.text.bytes, datum->value.text.len, &latitude, &longitude))
        return false;
    memcpy(value + 3, &latitude, 8);
    value[11] = 2 << 3 | FR_WIRE_FIXED64;
    memcpy(value + 12, &longitude, 8);
    put_datum(out, datum->key, value, sizeof value);
    return true;
}

/* The reference reads it as a 32-bit float and writes five decimals. */
static bool put_decimal(struct fr_buffer *out, const struct datum *datum)
{
    struct fr_buffer value = {0};
    double number;
    char text[400];
    int n;

    if (!fr_text_is_scientific(datum->value.text.bytes, datum->value.text.len) ||
        !fr_text_to_real(datum->value.text.bytes, datum->value.text.len, &number) ||
        number > 3.4e38 || number < -3.4e38)
        return false;
    n = snprintf(text, sizeof text, "%.5f", (double)(float)number);
    fr_put_bytes(&value, FR_MEMBER_STRING, text, (size_t)n);
    put_datum(out, datum->key, value.bytes, value.len);
    out->failed = out->failed || value.failed;
    fr_buffer_free(&value);
    return true;
}

/* All occurrences of one top-level field, or with number 0 all that have no number of ours. */
static void copy_fields(const uint8_t *bytes, size_t len, uint32_t number, struct fr_buffer *out)
{
    struct fr_wire wire = fr_wire_over(bytes, len);
    struct fr_wire_field f;

    while (fr_wire_next(&wire, &f) > 0)
        if (f.number == number || (number == 0 && f.number > PAYLOAD_IS_RESEND))
            fr_buffer_append(out, f.start, (size_t)(f.finish - f.start));
}

void fr_payload_rewrite(const uint8_t *bytes, size_t len, const char *vin, struct fr_buffer *out)
{
    struct fr_wire wire = fr_wire_over(bytes, len);
    struct fr_wire_field f;
    bool located = false;

    while (fr_wire_next(&wire, &f) > 0) {
        struct datum datum;
        bool put = false;

        if (f.number != PAYLOAD_DATA)
            continue;
        if (f.type == FR_WIRE_BYTES && parse_datum(f.bytes, f.len, &datum) == 0 &&
            datum.value.tag == FR_MEMBER_STRING) {
            /* Only the first location text of a message is looked at, as the reference does. */
            if (datum.key == FIELD_LOCATION && datum.value.text.len != 0 && !located) {
                located = true;
                put = put_location(out, &datum);
            }
            put = put || put_decimal(out, &datum);
        }
        if (!put)
            fr_buffer_append(out, f.start, (size_t)(f.finish - f.start));
    }
    copy_fields(bytes, len, PAYLOAD_CREATED_AT, out);
    fr_put_bytes(out, PAYLOAD_VIN, vin, strlen(vin));
    copy_fields(bytes, len, PAYLOAD_IS_RESEND, out);
    copy_fields(bytes, len, 0, out);
}

/* ---- decoding -------------------------------------------------------------------- */

size_t fr_payload_decode(const uint8_t *bytes, size_t len, struct fr_datum *data, size_t most,
                         size_t *as_sent)
{
    struct fr_wire wire = fr_wire_over(bytes, len);
    struct fr_wire_field f;
    size_t n = 0;

    *as_sent = 0;
    while (n < most && fr_wire_next(&wire, &f) > 0) {
        struct datum datum;

        if (f.number != PAYLOAD_DATA || f.type != FR_WIRE_BYTES ||
            parse_datum(f.bytes, f.len, &datum) != 0)
            continue;
        data[n].field = datum.key;
        data[n].wire = datum.wire;
        data[n].wire_len = datum.wire_len;
        if (!fr_value_canonical(fr_field_by_number(datum.key), &datum.value, &data[n].value))
            (*as_sent)++;
        n++;
    }
    return n;
}

/* ---- one datum ------------------------------------------------------------------- */

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

void fr_payload_each_datum(const uint8_t *bytes, size_t len,
                           void (*each)(void *ctx, const uint8_t *datum, size_t len), void *ctx)
{
    struct fr_wire wire = fr_wire_over(bytes, len);
    struct fr_wire_field f;

    while (fr_wire_next(&wire, &f) > 0)
        if (f.number == PAYLOAD_DATA && f.type == FR_WIRE_BYTES)
            each(ctx, f.bytes, f.len);
}

void fr_payload_of_one(struct fr_buffer *out, const char *vin, int64_t created_ns, uint32_t field,
                       const uint8_t *value, size_t len)
{
    put_datum(out, field, value, len);
    if (created_ns > 0)
        fr_put_time(out, PAYLOAD_CREATED_AT, created_ns);
    fr_put_bytes(out, PAYLOAD_VIN, vin, strlen(vin));
}
