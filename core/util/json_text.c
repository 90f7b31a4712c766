#include "util/json_text.h"

void fr_json_string(struct fr_buffer *out, const char *text, size_t len)
{
    size_t plain = 0;

    fr_buffer_byte(out, '"');
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];

        if (c >= 0x20 && c != '"' && c != '\\' && c != 0x7f)
            continue;
        fr_buffer_append(out, text + plain, i - plain);
        plain = i + 1;
        if (c == '"' || c == '\\') {
            fr_buffer_byte(out, '\\');
            fr_buffer_byte(out, c);
        } else if (c == '\n')
            fr_buffer_text(out, "\\n");
        else
            fr_buffer_printf(out, "\\u%04x", c);
    }
    fr_buffer_append(out, text + plain, len - plain);
    fr_buffer_byte(out, '"');
}
