#include "safe_name.h"

static bool safe_name_is_plain(char c, bool first)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-' || (c == '.' && !first);
}

void fr_safe_name(struct fr_text_buffer *out, const char *name)
{
    if (name[0] == '\0')
        fr_text_buffer_byte(out, '%');
    for (size_t i = 0; name[i] != '\0'; i++)
        if (safe_name_is_plain(name[i], i == 0))
            fr_text_buffer_byte(out, name[i]);
        else
            fr_text_buffer_printf(out, "%%%02X", (unsigned)(unsigned char)name[i]);
}
