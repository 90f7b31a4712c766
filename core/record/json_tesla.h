/* Records as the JSON of Tesla's server (transmit_decoded_records): protojson of protobuf-go with
 * unset fields included, without its random spaces. The JSON is made from the encoded message and
 * protobuf-c's descriptors, without code for each message. */
#ifndef FR_JSON_TESLA_H
#define FR_JSON_TESLA_H

#include <stdbool.h>

#include "record/record.h"
#include "util/buffer.h"

/* Append the message of a record as one JSON object without a line feed; "{}" for a record type
 * without a message, as Tesla's server does. A member of a Value that is newer than our table is
 * written as intValue if it is a varint. redact: the VIN is written in its redacted form (redact.h).
 * Returns 0; -1: a time is outside the range of RFC 3339, the payload is malformed or memory is
 * exhausted, and nothing is appended. Any thread. */
int fr_json_tesla(struct fr_buffer *out, const struct fr_record *record, bool redact);

/* Whether all times of a record are in the range of RFC 3339, so that fr_json_tesla() can express
 * them. Any thread. */
bool fr_json_tesla_fits(const struct fr_record *record);

/* Append the same object without vin and createdAt, for a caller that writes these members itself.
 * Differences: a time outside the range is limited to it, and characters that control a terminal are
 * escaped, and NUL in a key is U+FFFD. */
int fr_json_tesla_members(struct fr_buffer *out, const struct fr_record *record, bool redact);

#endif
