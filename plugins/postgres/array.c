#include "postgres/array.h"

#include <string.h>

#include "utf8.h"

#define HEAD_SIZE 20          /* dimensions, flags, type, length, lower bound */
#define EPOCH_MS 946684800000 /* 2000-01-01, PostgreSQL's time 0 */
#define YEAR_1_MS (-62135596800000)
#define YEAR_9999_MS 253402300799999
#define REPLACEMENT "\xef\xbf\xbd" /* U+FFFD */

static void put_be32(char out[4], uint32_t value)
{
    for (int i = 0; i < 4; i++)
        out[i] = (char)(unsigned char)(value >> (24 - 8 * i));
}

static void array_int32(struct db_array *a, uint32_t value)
{
    char bytes[4];

    put_be32(bytes, value);
    fr_text_buffer_append(&a->bytes, bytes, sizeof bytes);
}

void db_array_free(struct db_array *a)
{
    fr_text_buffer_free(&a->bytes);
}

void db_array_begin(struct db_array *a, enum db_type type)
{
    fr_text_buffer_clear(&a->bytes);
    a->type = type;
    a->count = 0;
    array_int32(a, 1);
    array_int32(a, 1); /* there may be NULLs */
    array_int32(a, (uint32_t)type);
    array_int32(a, 0);
    array_int32(a, 1);
}

void db_array_end(struct db_array *a)
{
    if (a->bytes.failed)
        return;
    put_be32(a->bytes.bytes, a->count != 0); /* an empty array has no dimension */
    put_be32(a->bytes.bytes + 12, a->count);
    if (a->count == 0)
        a->bytes.len = HEAD_SIZE - 8;
}

const char *db_type_name(enum db_type type)
{
    switch (type) {
    case DB_BOOL:
        return "boolean";
    case DB_INT8:
        return "bigint";
    case DB_FLOAT8:
        return "double precision";
    case DB_TIME:
        return "time without time zone";
    case DB_TIMESTAMPTZ:
        return "timestamp with time zone";
    case DB_JSONB:
        return "jsonb";
    case DB_TEXT:
    default:
        return "text";
    }
}

void db_array_null(struct db_array *a)
{
    array_int32(a, UINT32_MAX); /* length -1 */
    a->count++;
}

void db_array_bool(struct db_array *a, bool value)
{
    array_int32(a, 1);
    fr_text_buffer_byte(&a->bytes, value);
    a->count++;
}

void db_array_int8(struct db_array *a, int64_t value)
{
    char bytes[12];

    put_be32(bytes, 8);
    put_be32(bytes + 4, (uint32_t)((uint64_t)value >> 32));
    put_be32(bytes + 8, (uint32_t)value);
    fr_text_buffer_append(&a->bytes, bytes, sizeof bytes);
    a->count++;
}

void db_array_float8(struct db_array *a, double value)
{
    int64_t bits;

    memcpy(&bits, &value, sizeof bits);
    db_array_int8(a, bits);
}

void db_array_timestamptz(struct db_array *a, int64_t ms)
{
    ms = ms < YEAR_1_MS ? YEAR_1_MS : ms > YEAR_9999_MS ? YEAR_9999_MS : ms;
    db_array_int8(a, (ms - EPOCH_MS) * 1000);
}

void db_array_time(struct db_array *a, int64_t seconds)
{
    db_array_int8(a, seconds * 1000000);
}

/* ---- text ------------------------------------------------------------------------ */

static bool text_is_plain(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (text[i] == 0 || (unsigned char)text[i] >= 0x80)
            return false;
    return true;
}

/* Append text as valid UTF-8 without NUL. */
static void array_clean(struct db_array *a, const char *text, size_t len)
{
    while (len != 0) {
        size_t part = strnlen(text, len);

        fr_utf8_append(&a->bytes, text, part);
        if (part == len)
            return;
        fr_text_buffer_add(&a->bytes, REPLACEMENT);
        text += part + 1;
        len -= part + 1;
    }
}

/* Reserve the length of an element. Returns where it is. */
static size_t array_open(struct db_array *a)
{
    size_t at = a->bytes.len;

    array_int32(a, 0);
    return at;
}

static void array_close(struct db_array *a, size_t at)
{
    if (!a->bytes.failed)
        put_be32(a->bytes.bytes + at, (uint32_t)(a->bytes.len - at - 4));
    a->count++;
}

void db_array_text(struct db_array *a, const char *text, size_t len)
{
    size_t at = array_open(a);

    if (text_is_plain(text, len))
        fr_text_buffer_append(&a->bytes, text, len);
    else
        array_clean(a, text, len);
    array_close(a, at);
}

/* The next escape of a NUL; its end if there is none. A backslash escapes the byte behind it. */
static size_t json_find_nul(const char *json, size_t len)
{
    for (size_t i = 0; i + 1 < len; i++) {
        if (json[i] != '\\')
            continue;
        if (len - i >= 6 && memcmp(json + i, "\\u0000", 6) == 0)
            return i;
        i++;
    }
    return len;
}

void db_array_jsonb(struct db_array *a, const char *json, size_t len)
{
    size_t at = array_open(a), part;

    fr_text_buffer_byte(&a->bytes, 1); /* the format's version */
    while ((part = json_find_nul(json, len)) != len) {
        array_clean(a, json, part);
        fr_text_buffer_add(&a->bytes, REPLACEMENT);
        json += part + 6;
        len -= part + 6;
    }
    if (text_is_plain(json, len))
        fr_text_buffer_append(&a->bytes, json, len);
    else
        array_clean(a, json, len);
    array_close(a, at);
}
