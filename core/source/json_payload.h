/*
 * Converts the JSON that Tesla's server writes with transmit_decoded_records, and file.so with
 * format tesla-json, to the protobuf message of the record, by the message descriptors of
 * protobuf-c. The names are those of the protobuf JSON mapping ("createdAt") or of the .proto files.
 *
 * The functions have no state. Any thread.
 */
#ifndef FR_JSON_PAYLOAD_H
#define FR_JSON_PAYLOAD_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include <protobuf-c/protobuf-c.h>

#include "record/record.h"
#include "util/buffer.h"
#include "util/error.h"

/* Append the protobuf message of a record in Tesla's JSON to `payload`. -1 with `error` set: the
 * text is not JSON of that type, the type has no known message (FR_RECORD_OTHER), or no memory. */
int fr_json_to_payload(const char *text, size_t len, enum fr_record_type type,
                       struct fr_buffer *payload, struct fr_error *error);

/* The same of a JSON object. */
int fr_json_object_to_payload(const json_t *root, enum fr_record_type type,
                              struct fr_buffer *payload, struct fr_error *error);

/* Parse a text that must be a JSON object. The caller releases the result with json_decref(). NULL
 * with `error` set: it is not. */
json_t *fr_json_parse_object(const char *text, size_t len, struct fr_error *error);

/* An RFC 3339 time in UTC, such as "2026-01-01T00:00:00.500Z", in ns since 1970; -1: `text` is NULL
 * or not such a time. */
int64_t fr_json_parse_time(const char *text);

#endif
