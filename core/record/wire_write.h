/* wire_write.h - writing protobuf fields to a buffer, where protobuf-c's structs would be in the
 * way. Format: protobuf's encoding guide. */
#ifndef FR_WIRE_WRITE_H
#define FR_WIRE_WRITE_H

#include "record/wire.h"
#include "util/buffer.h"

/* A bare varint; a field of one, of bytes, of a double; and of 4 or 8 bytes, little-endian. */
void fr_put_varint(struct fr_buffer *out, uint64_t value);
void fr_put_number(struct fr_buffer *out, uint32_t field, uint64_t value);
void fr_put_bytes(struct fr_buffer *out, uint32_t field, const void *bytes, size_t len);
void fr_put_double(struct fr_buffer *out, uint32_t field, double value);
void fr_put_fixed(struct fr_buffer *out, uint32_t field, enum fr_wire_type type, uint64_t bits);

/* A field that is a message: what is in `inner`, which is freed. */
void fr_put_nested(struct fr_buffer *out, uint32_t field, struct fr_buffer *inner);

/* A field that is a google.protobuf.Timestamp, of ns since 1970. */
void fr_put_time(struct fr_buffer *out, uint32_t field, int64_t ns);

#endif
