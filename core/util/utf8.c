#include "util/utf8.h"

size_t fr_utf8_length(const uint8_t *bytes, size_t len)
{
    static const uint32_t min[] = {0, 0, 0x80, 0x800, 0x10000};
    uint32_t code;
    size_t size;

    if (len == 0)
        return 0;
    if (bytes[0] < 0x80)
        return 1;
    if ((bytes[0] & 0xe0) == 0xc0)
        size = 2, code = bytes[0] & 0x1fu;
    else if ((bytes[0] & 0xf0) == 0xe0)
        size = 3, code = bytes[0] & 0x0fu;
    else if ((bytes[0] & 0xf8) == 0xf0)
        size = 4, code = bytes[0] & 0x07u;
    else
        return 0;
    if (len < size)
        return 0;
    for (size_t i = 1; i < size; i++) {
        if ((bytes[i] & 0xc0) != 0x80)
            return 0;
        code = code << 6 | (bytes[i] & 0x3fu);
    }
    return code < min[size] || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff) ? 0 : size;
}
