#include "history/packing.h"

#include <string.h>
#include <zlib.h>

/* ---- writing --------------------------------------------------------------------- */

void fr_pack_begin(struct fr_buffer *out, char kind)
{
    static const uint8_t no_checksum[4];

    fr_buffer_clear(out);
    fr_buffer_byte(out, (uint8_t)kind);
    fr_buffer_append(out, no_checksum, sizeof no_checksum);
}

static uint32_t pack_checksum(const uint8_t *bytes, size_t len)
{
    uLong crc = crc32(0, bytes, 1);

    return (uint32_t)crc32(crc, bytes + FR_PACK_HEAD, (uInt)(len - FR_PACK_HEAD));
}

void fr_pack_end(struct fr_buffer *out)
{
    uint32_t crc;

    if (out->failed)
        return;
    crc = pack_checksum(out->bytes, out->len);
    for (unsigned i = 0; i < 4; i++)
        out->bytes[1 + i] = (uint8_t)(crc >> (8 * i));
}

void fr_pack_unsigned(struct fr_buffer *out, uint64_t number)
{
    for (; number > 127; number >>= 7)
        fr_buffer_byte(out, (uint8_t)(number | 128));
    fr_buffer_byte(out, (uint8_t)number);
}

void fr_pack_signed(struct fr_buffer *out, int64_t number)
{
    uint64_t bits = (uint64_t)number;

    fr_pack_unsigned(out, bits << 1 ^ (number < 0 ? UINT64_MAX : 0));
}

static void pack_little_endian(struct fr_buffer *out, uint64_t bits, unsigned size)
{
    for (unsigned i = 0; i < size; i++)
        fr_buffer_byte(out, (uint8_t)(bits >> (8 * i)));
}

void fr_pack_float(struct fr_buffer *out, float number)
{
    uint32_t bits;

    memcpy(&bits, &number, sizeof bits);
    pack_little_endian(out, bits, sizeof bits);
}

void fr_pack_double(struct fr_buffer *out, double number)
{
    uint64_t bits;

    memcpy(&bits, &number, sizeof bits);
    pack_little_endian(out, bits, sizeof bits);
}

void fr_pack_text(struct fr_buffer *out, const char *text, size_t len)
{
    fr_pack_unsigned(out, len);
    fr_buffer_append(out, text, len);
}

/* ---- reading --------------------------------------------------------------------- */

bool fr_unpack_begin(struct fr_unpack *in, const void *bytes, size_t len, char kind)
{
    const uint8_t *at = bytes;
    uint32_t crc = 0;

    *in = (struct fr_unpack){at, at, true};
    if (len < FR_PACK_HEAD || len > UINT32_MAX || at[0] != (uint8_t)kind)
        return false;
    for (unsigned i = 0; i < 4; i++)
        crc |= (uint32_t)at[1 + i] << (8 * i);
    if (crc != pack_checksum(at, len))
        return false;
    *in = (struct fr_unpack){at + FR_PACK_HEAD, at + len, false};
    return true;
}

bool fr_unpack_end(const struct fr_unpack *in)
{
    return !in->failed && in->at == in->end;
}

uint64_t fr_unpack_unsigned(struct fr_unpack *in)
{
    uint64_t number = 0;

    for (unsigned shift = 0; !in->failed && shift < 64; shift += 7) {
        uint8_t byte;

        if (in->at == in->end)
            break;
        byte = *in->at++;
        number |= (uint64_t)(byte & 127) << shift;
        if (byte < 128)
            return number;
    }
    in->failed = true;
    return 0;
}

int64_t fr_unpack_signed(struct fr_unpack *in)
{
    uint64_t bits = fr_unpack_unsigned(in);

    return (int64_t)(bits >> 1 ^ (bits & 1 ? UINT64_MAX : 0));
}

static uint64_t unpack_little_endian(struct fr_unpack *in, unsigned size)
{
    uint64_t bits = 0;

    if (in->failed || (size_t)(in->end - in->at) < size) {
        in->failed = true;
        return 0;
    }
    for (unsigned i = 0; i < size; i++)
        bits |= (uint64_t)*in->at++ << (8 * i);
    return bits;
}

float fr_unpack_float(struct fr_unpack *in)
{
    uint32_t bits = (uint32_t)unpack_little_endian(in, sizeof bits);
    float number;

    memcpy(&number, &bits, sizeof number);
    return number;
}

double fr_unpack_double(struct fr_unpack *in)
{
    uint64_t bits = unpack_little_endian(in, sizeof bits);
    double number;

    memcpy(&number, &bits, sizeof number);
    return number;
}

size_t fr_unpack_text(struct fr_unpack *in, char *text, size_t size)
{
    uint64_t len = fr_unpack_unsigned(in);

    text[0] = '\0';
    if (in->failed || len >= size || len > (size_t)(in->end - in->at)) {
        in->failed = true;
        return 0;
    }
    memcpy(text, in->at, len);
    text[len] = '\0';
    in->at += len;
    return len;
}
