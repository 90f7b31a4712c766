/* The vehicle data message, Payload of vehicle_data.proto (record type V): check, rewrite and
 * decode. These functions run for every message of every vehicle, so they read the bytes in place
 * instead of building protobuf-c's structs. tests/fuzz/fuzz_record.c compares both. Any thread may
 * call these functions. */
#ifndef FR_PAYLOAD_H
#define FR_PAYLOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fleetroute/plugin.h"
#include "record/wire_value.h"
#include "util/buffer.h"

/* Max number of data in a message; a message with more is malformed. The catalogue has 272 fields.
 */
#define FR_PAYLOAD_DATA_MAX 4096

struct fr_payload_info {
    int64_t created_ns; /* ns since 1970; 0: the message has no creation time */
    const uint8_t *vin; /* points into the message; NULL: the message has no VIN */
    size_t vin_len;
    size_t data;   /* number of data */
    bool resend;   /* the vehicle has sent the message before */
    bool usual;    /* encoded as Tesla's server encodes it; false for some such messages too */
    bool old_text; /* contains text that Tesla's server rewrites: a location or a scientific number
                    */
};

/* Check the message including its values, and fill *info. Returns 0; -1: malformed. */
int fr_payload_inspect(const uint8_t *bytes, size_t len, struct fr_payload_info *info);

/* Append to `out` the message as Tesla's server passes it on: encoded as by fr_proto_rewrite(), with
 * `vin` as VIN, and with old text rewritten. Unknown fields are kept. The message must have passed
 * fr_payload_inspect(). */
void fr_payload_rewrite(const uint8_t *bytes, size_t len, const char *vin, struct fr_buffer *out);

/* One value of one field, in its canonical type. */
struct fr_datum {
    uint32_t field;
    struct fr_value value; /* text points into the message or to a static text */
    const uint8_t *wire;   /* the encoded message Datum in the payload */
    size_t wire_len;
};

/* Decode up to `max` data of a message that has passed fr_payload_inspect() to `data`. Returns the
 * number of data. *as_sent is set to the number of those that do not fit the canonical type of
 * their field. */
size_t fr_payload_decode(const uint8_t *bytes, size_t len, struct fr_datum *data, size_t max,
                         size_t *as_sent);

/* Decode the value of an encoded message Datum as the vehicle sent it. Returns false if the datum
 * is malformed or has no Value; a Value without a known member has the tag 0. Text points into the
 * message. */
bool fr_payload_value_as_sent(const uint8_t *datum, size_t len, struct fr_wire_value *value);

/* Call each() for every datum with its field and its encoded message Value; a datum without Value
 * has len 0. The message must have passed fr_payload_inspect(). */
void fr_payload_each(const uint8_t *bytes, size_t len,
                     void (*each)(void *ctx, uint32_t field, const uint8_t *value, size_t len),
                     void *ctx);

/* Call each() for every encoded field of the message, with its tag, except the flag that marks a
 * message which the vehicle sends again. Datums and unknown fields are not checked. */
void fr_payload_each_part(const uint8_t *bytes, size_t len,
                          void (*each)(void *ctx, const uint8_t *part, size_t len), void *ctx);

/* Append a message with one datum. `value` is an encoded message Value. created_ns is in ns since
 * 1970; 0: the message gets no creation time. */
void fr_payload_of_one(struct fr_buffer *out, const char *vin, int64_t created_ns, uint32_t field,
                       const uint8_t *value, size_t len);

/* The same for an encoded message Datum, which is copied. */
void fr_payload_of_datum(struct fr_buffer *out, const char *vin, int64_t created_ns,
                         const uint8_t *datum, size_t len);

#endif
