#include "util/json_text.h"

#include "util/utf8.h"

/* Append one character of `size` bytes that cannot stand in JSON as it is. */
static void put_escaped(struct fr_buffer *out, const uint8_t *at, size_t size)
{
    if (size == 0) /* no UTF-8 */
        fr_buffer_text(out, "\\ufffd");
    else if (size == 2)
        fr_buffer_printf(out, "\\u%04x", (at[0] & 0x1fu) << 6 | (at[1] & 0x3fu));
    else if (*at == '"' || *at == '\\') {
        fr_buffer_byte(out, '\\');
        fr_buffer_byte(out, *at);
    } else if (*at == '\n')
        fr_buffer_text(out, "\\n");
    else
        fr_buffer_printf(out, "\\u%04x", *at);
}

/* The control characters U+0080 to U+009F. */
static bool is_c1(const uint8_t *at, size_t size)
{
    return size == 2 && at[0] == 0xc2 && at[1] < 0xa0;
}

/* Whether a byte stands in JSON as it is: printable ASCII. */
static bool is_plain(uint8_t c)
{
    return c >= 0x20 && c < 0x7f && c != '"' && c != '\\';
}

void fr_json_string(struct fr_buffer *out, const char *text, size_t len)
{
    const uint8_t *bytes = (const uint8_t *)text;
    size_t plain = 0, size;

    fr_buffer_byte(out, '"');
    for (size_t i = 0; i < len; i += size != 0 ? size : 1) {
        size = 1;
        if (is_plain(bytes[i]))
            continue;
        size = fr_utf8_length(bytes + i, len - i);
        if (size > 1 && !is_c1(bytes + i, size))
            continue;
        fr_buffer_append(out, text + plain, i - plain);
        plain = i + (size != 0 ? size : 1);
        put_escaped(out, bytes + i, size);
    }
    fr_buffer_append(out, text + plain, len - plain);
    fr_buffer_byte(out, '"');
}
