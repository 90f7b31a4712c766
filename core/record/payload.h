/*
 * payload.h - the vehicle data message (record type V), checked, normalised and decoded.
 *
 * This is read for every message of every vehicle, so it walks the bytes itself instead of
 * building protobuf-c's tree; the fuzz target holds the two against each other.
 */
#ifndef FR_PAYLOAD_H
#define FR_PAYLOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fleetroute/plugin.h"
#include "util/buffer.h"

/* More data than this in one message is refused as malformed; the catalogue has 272 fields. */
#define FR_PAYLOAD_DATA_MAX 4096

struct fr_payload_info {
    int64_t created_ns; /* since 1970; 0: not said */
    const uint8_t *vin; /* where it stands, or NULL */
    size_t vin_len;
    size_t data;   /* how many */
    bool resend;   /* the vehicle sent it before */
    bool ordered;  /* fields stand in the order of their numbers, the vin once at most */
    bool old_text; /* has text that Tesla's server rewrites (a location, a scientific number) */
};

/* Check the whole message, down to its values, and tell what is in it. -1: malformed. */
int fr_payload_inspect(const uint8_t *bytes, size_t len, struct fr_payload_info *info);

/* Append to `out` the message as Tesla's server passes it on: `vin` instead of its own, the
 * fields in order, old text rewritten. Unknown fields are kept. The bytes must have passed
 * fr_payload_inspect. */
void fr_payload_rewrite(const uint8_t *bytes, size_t len, const char *vin, struct fr_buffer *out);

/* One value of one field, in its canonical type. Text points into the message, or is constant. */
struct fr_datum {
    uint32_t field;
    struct fr_value value;
    const uint8_t *wire; /* the message Value in the payload; NULL: there is none */
    size_t wire_len;
};

/* Write up to `most` data of a message that has passed fr_payload_inspect to `data`; returns
 * how many. *as_sent is how many of them did not fit their field's canonical type. */
size_t fr_payload_decode(const uint8_t *bytes, size_t len, struct fr_datum *data, size_t most,
                         size_t *as_sent);

/* Call each() for every datum, with the bytes of its message Value (none: no bytes). The
 * message must have passed fr_payload_inspect. */
void fr_payload_each(const uint8_t *bytes, size_t len,
                     void (*each)(void *ctx, uint32_t field, const uint8_t *value, size_t len),
                     void *ctx);

/* Every datum as it is encoded, not looked into. */
void fr_payload_each_datum(const uint8_t *bytes, size_t len,
                           void (*each)(void *ctx, const uint8_t *datum, size_t len), void *ctx);

/* Append a message of one datum. created_ns 0: it does not say. */
void fr_payload_of_one(struct fr_buffer *out, const char *vin, int64_t created_ns, uint32_t field,
                       const uint8_t *value, size_t len);

/* A google.protobuf.Timestamp as ns since 1970, held within what int64_t can say. -1:
 * malformed. */
int fr_timestamp_parse(const uint8_t *bytes, size_t len, int64_t *ns);

#endif
