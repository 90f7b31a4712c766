/*
 * wire.h - walking a protobuf message, field by field, without copying.
 *
 * On the path of every message, so it is inline and reads in place. Every length is
 * checked against what is left before it is believed. Format: protobuf's encoding guide.
 */
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
    FR_WIRE_FIXED32 = 5,
};

/* What is left of a message. */
struct fr_wire {
    const uint8_t *at;
    const uint8_t *end;
};

/* One field: where it stands with its tag, and its content by type. */
struct fr_wire_field {
    uint32_t number;
    enum fr_wire_type type;
    uint64_t varint; /* VARINT; also the bits of FIXED32 and FIXED64 */
    const uint8_t *bytes;
    size_t len;            /* BYTES */
    const uint8_t *start;  /* the field's first byte, its tag */
    const uint8_t *finish; /* behind its last */
};

static inline struct fr_wire fr_wire_over(const uint8_t *bytes, size_t len)
{
    return (struct fr_wire){bytes, len != 0 ? bytes + len : bytes};
}

/* Read a varint; false when it is cut off or longer than 64 bits. */
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
            *value = v;
            return true;
        }
    }
    return false;
}

/* The next field: 1, or 0 at the end, or -1 when the message is malformed (groups, which
 * protobuf has given up, count as malformed). */
static inline int fr_wire_next(struct fr_wire *wire, struct fr_wire_field *field)
{
    uint64_t tag;
    size_t left;

    if (wire->at == wire->end)
        return 0;
    field->start = wire->at;
    if (!fr_wire_varint(wire, &tag) || tag > UINT32_MAX || tag >> 3 == 0)
        return -1;
    field->number = (uint32_t)(tag >> 3);
    field->type = (enum fr_wire_type)(tag & 7);
    left = (size_t)(wire->end - wire->at);
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
        if (left < 8)
            return -1;
        memcpy(&field->varint, wire->at, 8);
        wire->at += 8;
        break;
    case FR_WIRE_FIXED32: {
        uint32_t bits;

        if (left < 4)
            return -1;
        memcpy(&bits, wire->at, 4);
        field->varint = bits;
        wire->at += 4;
        break;
    }
    default:
        return -1;
    }
    field->finish = wire->at;
    return 1;
}

#endif
