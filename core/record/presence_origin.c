#include "record/presence_origin.h"

#include <stdio.h>
#include <string.h>

#include "record/wire_write.h"

#define PREFIX "front-end/"
#define RELAYED_FIELD 15 /* of the message VehicleConnectivity; Tesla's has the fields 1 to 5 */
#define DIGITS_MAX 18    /* of a number; every such number fits in int64_t */

/* The unread part of a text. */
struct origin_text {
    const char *at, *end;
};

bool fr_front_end_name_valid(const char *name, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        char c = name[i];

        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              c == '.' || c == '_' || c == '-'))
            return false;
    }
    return len != 0 && len <= FR_FRONT_END_NAME_MAX;
}

size_t fr_presence_origin_write(const struct fr_presence_origin *origin,
                                char text[FR_PRESENCE_ORIGIN_MAX])
{
    int len = snprintf(text, FR_PRESENCE_ORIGIN_MAX, PREFIX "%s/%llu/%llu/%lld", origin->front_end,
                       (unsigned long long)origin->instance, (unsigned long long)origin->sequence,
                       (long long)origin->lease_ms);

    return (size_t)len;
}

/* Read digits up to the character `stop`, or up to the end if `stop` is 0. */
static bool origin_read_number(struct origin_text *text, char stop, uint64_t *number)
{
    size_t digits = 0;

    for (*number = 0; text->at < text->end && *text->at >= '0' && *text->at <= '9'; text->at++) {
        if (++digits > DIGITS_MAX)
            return false;
        *number = *number * 10 + (uint64_t)(*text->at - '0');
    }
    if (digits == 0)
        return false;
    if (stop == '\0')
        return text->at == text->end;
    return text->at < text->end && *text->at++ == stop;
}

bool fr_presence_origin_read(const char *bytes, size_t len, struct fr_presence_origin *origin)
{
    struct origin_text text = {bytes + strlen(PREFIX), bytes + len};
    const char *slash;
    uint64_t lease;

    if (len <= strlen(PREFIX) || memcmp(bytes, PREFIX, strlen(PREFIX)) != 0)
        return false;
    slash = memchr(text.at, '/', (size_t)(text.end - text.at));
    if (slash == NULL || !fr_front_end_name_valid(text.at, (size_t)(slash - text.at)))
        return false;
    memset(origin, 0, sizeof *origin);
    memcpy(origin->front_end, text.at, (size_t)(slash - text.at));
    text.at = slash + 1;
    if (!origin_read_number(&text, '/', &origin->instance) ||
        !origin_read_number(&text, '/', &origin->sequence) ||
        !origin_read_number(&text, '\0', &lease))
        return false;
    origin->lease_ms = (int64_t)lease;
    return origin->lease_ms >= FR_LEASE_MIN_MS && origin->lease_ms <= FR_LEASE_MAX_MS;
}

void fr_presence_add_relayed(struct fr_buffer *payload)
{
    fr_put_number(payload, RELAYED_FIELD, 1);
}

bool fr_presence_is_relayed(const uint8_t *payload, size_t len)
{
    struct fr_wire wire = fr_wire_over(payload, len);
    struct fr_wire_field field;

    while (fr_wire_next(&wire, &field) > 0)
        if (field.number == RELAYED_FIELD && field.type == FR_WIRE_VARINT)
            return true;
    return false;
}
