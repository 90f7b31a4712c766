#include "history/history_request.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "history/history_field.h"
#include "history/history_settings.h"
#include "record/field_catalogue.h"
#include "record/record.h"

#define DAY_MS (INT64_C(24) * 3600 * 1000)
#define TIME_MAX_MS (INT64_C(1) << 53) /* integers up to this are exact in JavaScript */

bool fr_history_what_of(const char *name, enum fr_history_what *what)
{
    static const char *const names[] = {
        [FR_HISTORY_FIELDS] = "fields",           [FR_HISTORY_TRACK] = "track",
        [FR_HISTORY_SESSIONS] = "sessions",       [FR_HISTORY_ALERTS] = "alerts",
        [FR_HISTORY_CONNECTIONS] = "connections", [FR_HISTORY_SIGNALS] = "signals",
    };

    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(name, names[i]) == 0) {
            *what = (enum fr_history_what)i;
            return true;
        }
    return false;
}

static int request_hex(char digit)
{
    return digit >= '0' && digit <= '9'   ? digit - '0'
           : digit >= 'a' && digit <= 'f' ? digit - 'a' + 10
           : digit >= 'A' && digit <= 'F' ? digit - 'A' + 10
                                          : -1;
}

/* Decode %XX in place. Returns false for an invalid code or a NUL. */
static bool request_decode(char *text)
{
    char *to = text;

    for (; *text != '\0'; text++, to++) {
        int high, low;

        *to = *text;
        if (*text != '%')
            continue;
        high = request_hex(text[1]);
        low = high >= 0 ? request_hex(text[2]) : -1;
        if (low < 0 || (high == 0 && low == 0))
            return false;
        *to = (char)(high * 16 + low);
        text += 2;
    }
    *to = '\0';
    return true;
}

static int request_parse_number(const char *name, const char *text, int64_t min, int64_t max,
                                int64_t *number, struct fr_error *error)
{
    char *end;

    errno = 0;
    *number = strtoll(text, &end, 10);
    if (*text == '\0' || *text == ' ' || *end != '\0' || errno != 0 || *number < min ||
        *number > max)
        return fr_error_set(error, "%s must be a number from %lld to %lld", name, (long long)min,
                            (long long)max);
    return 0;
}

static int request_add_field(struct fr_history_request *r, const char *name, struct fr_error *error)
{
    const struct fr_field *field = fr_field_by_name(name);
    enum fr_chunk_kind kind;

    if (field == NULL)
        return fr_error_set(error, "there is no field \"%.64s\"; see fleetroute-fields(7)", name);
    if (!fr_history_field_kind(field->number, &kind))
        return fr_error_set(error, "the history has no values of %s: times are not stored", name);
    for (size_t i = 0; i < r->field_count; i++)
        if (r->fields[i] == field->number)
            return 0;
    if (r->field_count == FR_HISTORY_FIELDS_MAX)
        return fr_error_set(error, "at most %d fields are allowed in a request",
                            FR_HISTORY_FIELDS_MAX);
    r->fields[r->field_count++] = field->number;
    return 0;
}

static int request_parse_fields(struct fr_history_request *r, char *text, struct fr_error *error)
{
    if (r->what != FR_HISTORY_FIELDS)
        return fr_error_set(error, "fields is not allowed in this request");
    while (text != NULL) {
        char *name = strsep(&text, ",");

        if (*name != '\0' && request_add_field(r, name, error) != 0)
            return -1;
    }
    return 0;
}

/* Parse NAME=VALUE. Times stay as they are given. */
static int request_parse_parameter(struct fr_history_request *r, char *parameter,
                                   struct fr_error *error)
{
    char *value = strchr(parameter, '=');
    int64_t number;

    if (value == NULL)
        return fr_error_set(error, "a parameter of the request has no value");
    *value++ = '\0';
    if (!request_decode(value))
        return fr_error_set(error, "the value of a parameter has an invalid %% code");
    if (strcmp(parameter, "fields") == 0)
        return request_parse_fields(r, value, error);
    if (strcmp(parameter, "points") == 0) {
        if (request_parse_number("points", value, 1, FR_HISTORY_POINTS_MAX, &number, error) != 0)
            return -1;
        r->points = (size_t)number;
        return 0;
    }
    if (strcmp(parameter, "from") == 0) {
        r->from_given = true;
        return request_parse_number("from", value, -TIME_MAX_MS, TIME_MAX_MS, &r->from_ms, error);
    }
    if (strcmp(parameter, "to") == 0)
        return request_parse_number("to", value, -TIME_MAX_MS, TIME_MAX_MS, &r->to_ms, error);
    return fr_error_set(error, "the parameters of a request are fields, from, to and points");
}

/* Make times absolute, and set the defaults. */
static int request_set_times(struct fr_history_request *r, int64_t now_ms, struct fr_error *error)
{
    if (r->to_ms <= 0)
        r->to_ms += now_ms;
    if (!r->from_given)
        r->from_ms = r->what == FR_HISTORY_FIELDS ? -DAY_MS : -FR_HISTORY_LONG_MS - DAY_MS;
    if (r->from_ms < 0)
        r->from_ms += r->to_ms;
    if (r->from_ms < 0)
        r->from_ms = 0;
    if (r->to_ms <= r->from_ms)
        return fr_error_set(error, "from must be before to");
    return 0;
}

int fr_history_request_parse(struct fr_history_request *r, enum fr_history_what what,
                             const char *vin, const char *query, int64_t now_ms,
                             struct fr_error *error)
{
    size_t vin_len = strlen(vin);
    char text[FR_HISTORY_QUERY_MAX + 1], *at = text;

    memset(r, 0, sizeof *r);
    r->what = what;
    r->points = FR_HISTORY_POINTS_DEFAULT;
    if (!fr_vin_valid(vin, vin_len))
        return fr_error_set(error, "the VIN is invalid");
    memcpy(r->vin, vin, vin_len + 1);
    if (strlen(query) >= sizeof text)
        return fr_error_set(error, "the request is longer than %d bytes", FR_HISTORY_QUERY_MAX);
    memcpy(text, query, strlen(query) + 1);
    while (at != NULL) {
        char *parameter = strsep(&at, "&");

        if (*parameter != '\0' && request_parse_parameter(r, parameter, error) != 0)
            return -1;
    }
    if (what == FR_HISTORY_FIELDS && r->field_count == 0)
        return fr_error_set(error, "the request names no field: fields=NAME,NAME…");
    return request_set_times(r, now_ms, error);
}
