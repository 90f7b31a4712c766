#include "utf8.h"

size_t fr_utf8_next(const char *text, size_t len, uint32_t *code)
{
    /* The smallest code point for each length; a smaller one is an overlong encoding. */
    static const uint32_t min_code[] = {0, 0, 0x80, 0x800, 0x10000};
    const unsigned char *at = (const unsigned char *)text;
    size_t size;

    if (len == 0)
        return 0;
    if (at[0] < 0x80) {
        *code = at[0];
        return 1;
    }
    if ((at[0] & 0xe0) == 0xc0)
        size = 2, *code = at[0] & 0x1fu;
    else if ((at[0] & 0xf0) == 0xe0)
        size = 3, *code = at[0] & 0x0fu;
    else if ((at[0] & 0xf8) == 0xf0)
        size = 4, *code = at[0] & 0x07u;
    else
        return 0;
    if (len < size)
        return 0;
    for (size_t i = 1; i < size; i++) {
        if ((at[i] & 0xc0) != 0x80)
            return 0;
        *code = *code << 6 | (at[i] & 0x3fu);
    }
    return *code < min_code[size] || *code > 0x10ffff || (*code >= 0xd800 && *code <= 0xdfff)
               ? 0
               : size;
}

size_t fr_utf8_cut(const char *text, size_t len, size_t max)
{
    if (len <= max)
        return len;
    while (max > 0 && ((unsigned char)text[max] & 0xc0) == 0x80)
        max--;
    return max;
}

void fr_utf8_append(struct fr_text_buffer *out, const char *text, size_t len)
{
    for (size_t at = 0, size; at < len; at += size) {
        uint32_t code;

        size = fr_utf8_next(text + at, len - at, &code);
        if (size != 0)
            fr_text_buffer_append(out, text + at, size);
        else
            fr_text_buffer_add(out, "\xef\xbf\xbd");
        size = size != 0 ? size : 1;
    }
}
