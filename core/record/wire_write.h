/* Writes protobuf fields to a buffer without protobuf-c's structs. Format: protobuf's encoding
 * guide. An allocation failure sets `failed` of the buffer. */
#ifndef FR_WIRE_WRITE_H
#define FR_WIRE_WRITE_H

#include "record/wire.h"
#include "util/buffer.h"

/* Append a varint without a tag. */
void fr_put_varint(struct fr_buffer *out, uint64_t value);

/* Append a field: a varint, bytes, a double, or the low 4 or 8 bytes of `bits` in little-endian
 * order (type FR_WIRE_FIXED32 or FR_WIRE_FIXED64). */
void fr_put_number(struct fr_buffer *out, uint32_t field, uint64_t value);
void fr_put_bytes(struct fr_buffer *out, uint32_t field, const void *bytes, size_t len);
void fr_put_double(struct fr_buffer *out, uint32_t field, double value);
void fr_put_fixed(struct fr_buffer *out, uint32_t field, enum fr_wire_type type, uint64_t bits);

/* Append a message field with the content of `inner`, and free `inner`. */
void fr_put_nested(struct fr_buffer *out, uint32_t field, struct fr_buffer *inner);

/* Append a field of type google.protobuf.Timestamp. `ns` is in ns since 1970. */
void fr_put_time(struct fr_buffer *out, uint32_t field, int64_t ns);

#endif
