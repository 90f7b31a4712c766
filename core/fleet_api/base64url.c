#include "fleet_api/base64url.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "util/memory.h"

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

char *fr_base64url(const void *bytes, size_t len)
{
    const uint8_t *at = bytes;
    char *text = fr_calloc(len / 3 * 4 + 5, 1), *to = text;

    for (; len >= 3; len -= 3, at += 3) {
        *to++ = digits[at[0] >> 2];
        *to++ = digits[(at[0] & 3) << 4 | at[1] >> 4];
        *to++ = digits[(at[1] & 15) << 2 | at[2] >> 6];
        *to++ = digits[at[2] & 63];
    }
    if (len > 0) {
        *to++ = digits[at[0] >> 2];
        *to++ = digits[(at[0] & 3) << 4 | (len == 2 ? at[1] >> 4 : 0)];
        if (len == 2)
            *to++ = digits[(at[1] & 15) << 2];
    }
    return text;
}

/* The value of a digit, or -1. */
static int base64url_value(char c)
{
    const char *found = c != '\0' ? strchr(digits, c) : NULL;

    return found != NULL ? (int)(found - digits) : -1;
}

char *fr_base64url_decode(const char *text, size_t len, size_t *size)
{
    uint8_t *bytes = len % 4 != 1 ? malloc(len / 4 * 3 + 4) : NULL;
    uint32_t bits = 0;
    unsigned count = 0;

    if (bytes == NULL)
        return NULL;
    *size = 0;
    for (size_t i = 0; i < len; i++) {
        int value = base64url_value(text[i]);

        if (value < 0) {
            free(bytes);
            return NULL;
        }
        bits = bits << 6 | (uint32_t)value;
        count += 6;
        if (count >= 8) {
            count -= 8;
            bytes[(*size)++] = (uint8_t)(bits >> count);
        }
    }
    bytes[*size] = '\0';
    return (char *)bytes;
}
