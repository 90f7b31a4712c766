/* Encodes a message again as protobuf-go, and so Tesla's server, encodes it: known fields in the
 * order of their numbers, each at most once, without default values; then the unknown fields as
 * sent. Maps are sorted by key (the order in Tesla's server is random). Any thread may call these
 * functions. */
#ifndef FR_PROTO_REWRITE_H
#define FR_PROTO_REWRITE_H

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "record/wire.h"
#include "util/buffer.h"

/* What changes besides the form. */
struct fr_proto_changes {
    const char *vin;  /* replaces the message's field `vin`; NULL: no change */
    bool times_in_ms; /* times in the messages of a repeated field may be in ms: write seconds */
    /* Append another form of one message of a repeated field, with its tag. Returns false, and
     * appends nothing, if the message does not change. NULL: none changes. */
    bool (*rewrite_item)(void *ctx, const struct fr_wire_field *f, struct fr_buffer *out);
    void *ctx;
};

/* Append the message, which must have passed fr_proto_check(), to `out`. An allocation failure sets
 * out->failed. */
void fr_proto_rewrite(const ProtobufCMessageDescriptor *descriptor, const uint8_t *bytes,
                      size_t len, const struct fr_proto_changes *changes, struct fr_buffer *out);

/* Append one field that has no known meaning: its tag in the shortest form, its value as sent. */
void fr_proto_put_unknown(struct fr_buffer *out, const struct fr_wire_field *f);

#endif
