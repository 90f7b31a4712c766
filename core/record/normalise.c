#include "record/normalise.h"

#include <string.h>

#include "record/wire.h"
#include "vehicle_alert.pb-c.h"
#include "vehicle_connectivity.pb-c.h"
#include "vehicle_error.pb-c.h"

typedef Google__Protobuf__Timestamp timestamp;

/* Seconds from which on a time must be milliseconds: the year 11970 (identity.md). */
#define MILLISECONDS_FROM INT64_C(315576000000)

static int64_t to_ns(const timestamp *t)
{
    if (t == NULL || t->seconds > INT64_MAX / 1000000000 - 3 || t->seconds < 0)
        return 0;
    return t->seconds * 1000000000 + t->nanos;
}

static void mend_time(timestamp *t)
{
    if (t == NULL || t->seconds < MILLISECONDS_FROM)
        return;
    t->nanos = (int32_t)(t->seconds % 1000) * 1000000;
    t->seconds /= 1000;
}

static void pack(const ProtobufCMessage *message, struct fr_buffer *out)
{
    uint8_t *to = fr_buffer_reserve(out, protobuf_c_message_get_packed_size(message));

    if (to != NULL)
        out->len += protobuf_c_message_pack(message, to);
}

/* Where a message has a field of its own, found by name. */
static void *member(ProtobufCMessage *message, const char *name)
{
    const ProtobufCFieldDescriptor *field =
        protobuf_c_message_descriptor_get_field_by_name(message->descriptor, name);

    return (char *)message + field->offset;
}

static void mend_alerts(Telemetry__VehicleAlerts__VehicleAlerts *message)
{
    for (size_t i = 0; i < message->n_alerts; i++) {
        mend_time(message->alerts[i]->started_at);
        mend_time(message->alerts[i]->ended_at);
    }
}

static int normalise_v(const uint8_t *payload, size_t len, const char *vin,
                       struct fr_normalised *result, struct fr_buffer *out, struct fr_error *error)
{
    struct fr_payload_info info;

    if (fr_payload_inspect(payload, len, &info) != 0)
        return fr_error_set(error, "the vehicle data is no valid protobuf message");
    result->created_ns = info.created_ns;
    result->resend = info.resend;
    if (info.ordered && !info.old_text && info.vin_len == strlen(vin) &&
        memcmp(info.vin, vin, info.vin_len) == 0)
        return 0;
    fr_payload_rewrite(payload, len, vin, out);
    result->rewritten = true;
    return 0;
}

/* Alerts and errors in one record, and messages and texts in them. Two bytes of a payload can be a
 * message that takes 80 bytes in memory and 50 in JSON. */
#define ENTRIES_MAX 4096
#define MEMBERS_MAX (8 * ENTRIES_MAX)

/* Whether protobuf-c may unpack the payload; it is counted before anything is allocated. */
static bool within_bounds(const uint8_t *payload, size_t len)
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

/* Alerts, errors and connectivity have a vin and a created_at of their own. */
static int normalise_message(const ProtobufCMessageDescriptor *descriptor, const uint8_t *payload,
                             size_t len, const char *vin, struct fr_normalised *result,
                             struct fr_buffer *out, struct fr_error *error)
{
    ProtobufCMessage *message;
    char lent[FR_VIN_MAX + 1] = "", *own, **vin_member;

    if (!within_bounds(payload, len))
        return fr_error_set(error, "the payload has more than %d alerts, errors or texts of them",
                            ENTRIES_MAX);
    message = protobuf_c_message_unpack(descriptor, NULL, len, payload);
    if (message == NULL)
        return fr_error_set(error, "the payload is no valid protobuf message %s", descriptor->name);
    if (descriptor == &telemetry__vehicle_alerts__vehicle_alerts__descriptor)
        mend_alerts((Telemetry__VehicleAlerts__VehicleAlerts *)message);
    result->created_ns = to_ns(*(timestamp **)member(message, "created_at"));
    result->rewritten = true;
    /* protobuf-c frees what it unpacked; the VIN is ours and is lent for the time of packing. */
    vin_member = member(message, "vin");
    own = *vin_member;
    strncpy(lent, vin, sizeof lent - 1);
    *vin_member = lent;
    pack(message, out);
    *vin_member = own;
    protobuf_c_message_free_unpacked(message, NULL);
    return 0;
}

int fr_normalise(enum fr_record_type type, const uint8_t *payload, size_t len, const char *vin,
                 struct fr_normalised *result, struct fr_buffer *out, struct fr_error *error)
{
    int status = 0;

    memset(result, 0, sizeof *result);
    switch (type) {
    case FR_RECORD_V:
        status = normalise_v(payload, len, vin, result, out, error);
        break;
    case FR_RECORD_ALERTS:
        status = normalise_message(&telemetry__vehicle_alerts__vehicle_alerts__descriptor, payload,
                                   len, vin, result, out, error);
        break;
    case FR_RECORD_ERRORS:
        status = normalise_message(&telemetry__vehicle_error__vehicle_errors__descriptor, payload,
                                   len, vin, result, out, error);
        break;
    case FR_RECORD_CONNECTIVITY:
    case FR_RECORD_PRESENCE:
        status =
            normalise_message(&telemetry__vehicle_connectivity__vehicle_connectivity__descriptor,
                              payload, len, vin, result, out, error);
        break;
    case FR_RECORD_OTHER:
    case FR_RECORD_TYPES:
    default:
        break;
    }
    if (status == 0 && out->failed)
        return fr_error_set(error, "out of memory");
    return status;
}
