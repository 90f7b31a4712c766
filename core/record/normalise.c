#include "record/normalise.h"

#include <assert.h>
#include <string.h>

#include "record/payload.h"
#include "record/proto_message.h"
#include "record/proto_rewrite.h"
#include "record/wire.h"

static int64_t normalise_to_ns(const struct fr_proto_value *created_at)
{
    struct fr_proto_time t;

    if (!created_at->present)
        return 0;
    t = fr_proto_time(created_at->bytes, created_at->len);
    if (t.seconds > INT64_MAX / 1000000000 - 3 || t.seconds < 0)
        return 0;
    return t.seconds * 1000000000 + t.nanos;
}

static int normalise_data(const uint8_t *payload, size_t len, const char *vin,
                          struct fr_normalised *result, struct fr_buffer *out,
                          struct fr_error *error)
{
    struct fr_payload_info info;

    if (fr_payload_inspect(payload, len, &info) != 0)
        return fr_error_set(error, "the vehicle data are not a valid protobuf message");
    result->created_ns = info.created_ns;
    result->resend = info.resend;
    if (info.usual && !info.old_text && info.vin_len == strlen(vin) &&
        memcmp(info.vin, vin, info.vin_len) == 0)
        return 0;
    fr_payload_rewrite(payload, len, vin, out);
    result->rewritten = true;
    return 0;
}

/* Max number of alerts or errors in one payload, and of messages and texts in them. Two bytes of a
 * payload can be a message that takes 50 bytes of JSON. */
#define ENTRIES_MAX 4096
#define MEMBERS_MAX (8 * ENTRIES_MAX)

/* Whether the JSON of the payload has a bounded size. */
static bool normalise_within_bounds(const uint8_t *payload, size_t len)
{
    struct fr_wire message = fr_wire_over(payload, len);
    struct fr_wire_field entry, member;
    size_t entries = 0, members = 0;

    while (fr_wire_next(&message, &entry) > 0) {
        struct fr_wire inner;

        if (entry.type != FR_WIRE_BYTES)
            continue;
        entries++;
        inner = fr_wire_over(entry.bytes, entry.len);
        while (members <= MEMBERS_MAX && fr_wire_next(&inner, &member) > 0)
            members += member.type == FR_WIRE_BYTES;
        if (entries > ENTRIES_MAX || members > MEMBERS_MAX)
            return false;
    }
    return true;
}

static int normalise_message(const struct fr_record_type_info *type, const uint8_t *payload,
                             size_t len, const char *vin, struct fr_normalised *result,
                             struct fr_buffer *out, struct fr_error *error)
{
    struct fr_proto_message message;

    if (!normalise_within_bounds(payload, len))
        return fr_error_set(error,
                            "the payload has more than %d alerts or errors, or %d texts in them",
                            ENTRIES_MAX, MEMBERS_MAX);
    if (fr_proto_check(type->message, payload, len) != 0)
        return fr_error_set(error, "the payload is not a valid protobuf message %s",
                            type->message->name);
    if (fr_proto_read(&message, type->message, payload, len) == 0)
        result->created_ns = normalise_to_ns(fr_proto_named(&message, "created_at"));
    else
        out->failed = true;
    fr_proto_release(&message);
    fr_proto_rewrite(type->message, payload, len,
                     &(struct fr_proto_changes){.vin = vin, .times_in_ms = type->times_in_ms}, out);
    result->rewritten = true;
    return 0;
}

int fr_normalise(enum fr_record_type type, const uint8_t *payload, size_t len, const char *vin,
                 struct fr_normalised *result, struct fr_buffer *out, struct fr_error *error)
{
    const struct fr_record_type_info *info = &fr_record_types[type];
    int status = 0;

    assert(type < FR_RECORD_TYPES && strlen(vin) <= FR_VIN_MAX);
    memset(result, 0, sizeof *result);
    switch (info->encoding) {
    case FR_ENCODING_DATA:
        status = normalise_data(payload, len, vin, result, out, error);
        break;
    case FR_ENCODING_MESSAGE:
        status = normalise_message(info, payload, len, vin, result, out, error);
        break;
    case FR_ENCODING_BYTES:
    default:
        break;
    }
    if (status == 0 && out->failed)
        return fr_error_set(error, "out of memory");
    return status;
}
