/* Reads a protobuf message field by field, in place. These functions run for every message of every
 * vehicle, so they are inline and copy nothing. Each length is checked against the remaining bytes
 * before use. Format: protobuf's encoding guide. */
#ifndef FR_WIRE_H
#define FR_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum fr_wire_type {
    FR_WIRE_VARINT = 0,
    FR_WIRE_FIXED64 = 1,
    FR_WIRE_BYTES = 2,
    FR_WIRE_GROUP = 3, /* obsolete; no field of a vehicle's message has this type */
    FR_WIRE_FIXED32 = 5,
};

/* The unread part of a message. */
struct fr_wire {
    const uint8_t *at;
    const uint8_t *end;
    bool has_overlong; /* a varint was longer than necessary */
};

/* One field. The pointers point into the message. */
struct fr_wire_field {
    uint32_t number;
    enum fr_wire_type type;
    uint64_t varint;      /* VARINT: the value; FIXED32 and FIXED64: the bits; BYTES: the length */
    const uint8_t *bytes; /* BYTES: the content; undefined for other types */
    size_t len;
    const uint8_t *start;  /* the first byte of the field's tag */
    const uint8_t *finish; /* behind the last byte of the field */
};

/* Returns a reader of a message of `len` bytes, which must stay valid. `bytes` may be NULL if len
 * is 0. */
static inline struct fr_wire fr_wire_over(const uint8_t *bytes, size_t len)
{
    return (struct fr_wire){bytes, len != 0 ? bytes + len : bytes, false};
}

/* Read a varint. Returns false if it is incomplete or longer than 64 bits. */
static inline bool fr_wire_varint(struct fr_wire *wire, uint64_t *value)
{
    uint64_t v = 0;

    if (wire->at < wire->end && *wire->at < 0x80) {
        *value = *wire->at++;
        return true;
    }
    for (unsigned shift = 0; shift < 70; shift += 7) {
        uint8_t byte;

        if (wire->at == wire->end)
            return false;
        byte = *wire->at++;
        if (shift == 63 && byte > 1)
            return false;
        v |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            wire->has_overlong = wire->has_overlong || byte == 0;
            *value = v;
            return true;
        }
    }
    return false;
}

/* Move behind the end of a group whose start tag has been read. Groups in it may be nested as deeply
 * as protobuf-go accepts. Returns 0; -1: malformed. */
int fr_wire_skip_group(struct fr_wire *wire, uint32_t number);

/* Read the next field. Returns 1; 0: end of the message; -1: malformed. A group is one field. */
static inline int fr_wire_next(struct fr_wire *wire, struct fr_wire_field *field)
{
    uint64_t tag;
    size_t remaining;

    if (wire->at == wire->end)
        return 0;
    field->start = wire->at;
    if (!fr_wire_varint(wire, &tag) || tag > UINT32_MAX || tag >> 3 == 0)
        return -1;
    field->number = (uint32_t)(tag >> 3);
    field->type = (enum fr_wire_type)(tag & 7);
    remaining = (size_t)(wire->end - wire->at);
    switch (field->type) {
    case FR_WIRE_VARINT:
        if (!fr_wire_varint(wire, &field->varint))
            return -1;
        break;
    case FR_WIRE_BYTES:
        if (!fr_wire_varint(wire, &field->varint) || field->varint > (size_t)(wire->end - wire->at))
            return -1;
        field->bytes = wire->at;
        field->len = (size_t)field->varint;
        wire->at += field->len;
        break;
    case FR_WIRE_FIXED64:
        if (remaining < 8)
            return -1;
        memcpy(&field->varint, wire->at, 8);
        wire->at += 8;
        break;
    case FR_WIRE_FIXED32: {
        uint32_t bits;

        if (remaining < 4)
            return -1;
        memcpy(&bits, wire->at, 4);
        field->varint = bits;
        wire->at += 4;
        break;
    }
    case FR_WIRE_GROUP:
        if (fr_wire_skip_group(wire, field->number) != 0)
            return -1;
        break;
    default:
        return -1;
    }
    field->finish = wire->at;
    return 1;
}

#endif
