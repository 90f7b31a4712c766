#include "record/wire_write.h"

void fr_put_varint(struct fr_buffer *out, uint64_t value)
{
    for (; value >= 0x80; value >>= 7)
        fr_buffer_byte(out, (uint8_t)(value | 0x80));
    fr_buffer_byte(out, (uint8_t)value);
}

void fr_put_number(struct fr_buffer *out, uint32_t field, uint64_t value)
{
    fr_put_varint(out, (uint64_t)field << 3 | FR_WIRE_VARINT);
    fr_put_varint(out, value);
}

void fr_put_bytes(struct fr_buffer *out, uint32_t field, const void *bytes, size_t len)
{
    fr_put_varint(out, (uint64_t)field << 3 | FR_WIRE_BYTES);
    fr_put_varint(out, len);
    fr_buffer_append(out, bytes, len);
}

void fr_put_fixed(struct fr_buffer *out, uint32_t field, enum fr_wire_type type, uint64_t bits)
{
    fr_put_varint(out, (uint64_t)field << 3 | type);
    for (int i = 0; i < (type == FR_WIRE_FIXED64 ? 8 : 4); i++)
        fr_buffer_byte(out, (uint8_t)(bits >> 8 * i));
}

void fr_put_double(struct fr_buffer *out, uint32_t field, double value)
{
    uint64_t bits;

    memcpy(&bits, &value, sizeof bits);
    fr_put_fixed(out, field, FR_WIRE_FIXED64, bits);
}

void fr_put_nested(struct fr_buffer *out, uint32_t field, struct fr_buffer *inner)
{
    fr_put_bytes(out, field, inner->bytes, inner->len);
    out->failed = out->failed || inner->failed;
    fr_buffer_free(inner);
}

void fr_put_time(struct fr_buffer *out, uint32_t field, int64_t ns)
{
    struct fr_buffer time = {0};

    fr_put_number(&time, 1, (uint64_t)(ns / 1000000000));
    if (ns % 1000000000 != 0)
        fr_put_number(&time, 2, (uint64_t)(ns % 1000000000));
    fr_put_nested(out, field, &time);
}
