/* The table of record types. A new record type is one row of FR_RECORD_TYPE_ROWS and its two
 * counters, RECORDS_id and BYTES_id, in util/counters.h. Also the limits on the texts of a record.
 */
#ifndef FR_RECORD_TYPES_H
#define FR_RECORD_TYPES_H

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/counters.h"

/* Max length in bytes of a device id (from a certificate), a topic and a txid. */
#define FR_VIN_MAX 64
#define FR_TOPIC_MAX 64
#define FR_TXID_MAX 256

/* How a payload is encoded. The encoding decides how normalise.c checks the payload, and which
 * members json.c writes for it. */
enum fr_record_encoding {
    FR_ENCODING_DATA, /* the message Payload: canonical values; JSON "data", "invalid", "empty" */
    FR_ENCODING_MESSAGE, /* a message with vin and created_at: JSON members as Tesla's server */
    FR_ENCODING_BYTES,   /* opaque: passed on unchanged; JSON "bytes", the length */
};

/* One row for each type, in the order of the counters: id, topic, protobuf descriptor (NULL: none),
 * encoding, whether times may be in milliseconds. The columns are the members of struct
 * fr_record_type_info. `other` must be the last row.
 *
 * connectivity: one connection was opened or closed. presence: the vehicle was connected or
 * disconnected, over all its connections. other: all further topics. */
#define FR_RECORD_TYPE_ROWS(X)                                                                     \
    X(V, "V", &telemetry__vehicle_data__payload__descriptor, FR_ENCODING_DATA, false)              \
    X(ALERTS, "alerts", &telemetry__vehicle_alerts__vehicle_alerts__descriptor,                    \
      FR_ENCODING_MESSAGE, true)                                                                   \
    X(ERRORS, "errors", &telemetry__vehicle_error__vehicle_errors__descriptor,                     \
      FR_ENCODING_MESSAGE, false)                                                                  \
    X(CONNECTIVITY, "connectivity",                                                                \
      &telemetry__vehicle_connectivity__vehicle_connectivity__descriptor, FR_ENCODING_MESSAGE,     \
      false)                                                                                       \
    X(PRESENCE, "presence", &telemetry__vehicle_connectivity__vehicle_connectivity__descriptor,    \
      FR_ENCODING_MESSAGE, false)                                                                  \
    X(OTHER, "", NULL, FR_ENCODING_BYTES, false)

enum fr_record_type {
#define FR_RECORD_TYPE_ENUM(id, topic, message, encoding, times_in_ms) FR_RECORD_##id,
    FR_RECORD_TYPE_ROWS(FR_RECORD_TYPE_ENUM)
#undef FR_RECORD_TYPE_ENUM
        FR_RECORD_TYPES
};

struct fr_record_type_info {
    const char *topic; /* "" for FR_RECORD_OTHER */
    size_t topic_len;
    const ProtobufCMessageDescriptor *message; /* not NULL for FR_ENCODING_MESSAGE */
    enum fr_record_encoding encoding;
    bool times_in_ms;               /* times in its repeated messages may be in milliseconds */
    enum fr_counter records, bytes; /* records from vehicles, and bytes of their payloads */
};

/* The rows, by enum fr_record_type. */
extern const struct fr_record_type_info fr_record_types[FR_RECORD_TYPES];

/* Returns the type of a topic; FR_RECORD_OTHER if no type has this topic. Any thread. */
enum fr_record_type fr_record_type_of(const uint8_t *topic, size_t len);

/* Returns the topic of a type ("V"), or "" for FR_RECORD_OTHER. Any thread. */
const char *fr_record_type_name(enum fr_record_type type);

#endif
