#include "fleet_api/form.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "fleet_api/secret_file.h"
#include "util/memory.h"

static void form_escape(struct fr_buffer *out, const char *text)
{
    for (const unsigned char *at = (const unsigned char *)text; *at != '\0'; at++) {
        if (*at < 0x80 && (isalnum(*at) || strchr("-._~", *at) != NULL))
            fr_buffer_byte(out, *at);
        else
            fr_buffer_printf(out, "%%%02X", (unsigned)*at);
    }
}

void fr_form_put(struct fr_buffer *out, const char *name, const char *value)
{
    if (out->len > 0 && out->bytes[out->len - 1] != '?')
        fr_buffer_byte(out, '&');
    fr_buffer_text(out, name);
    fr_buffer_byte(out, '=');
    form_escape(out, value);
}

static int form_hex(char c)
{
    static const char digits[] = "0123456789abcdef";
    const char *found = c != '\0' ? strchr(digits, tolower((unsigned char)c)) : NULL;

    return found != NULL ? (int)(found - digits) : -1;
}

/* Decode `len` bytes. NULL: a NUL or a malformed escape. */
static char *form_decode(const char *text, size_t len)
{
    char *to = fr_calloc(len + 1, 1);
    size_t used = 0;

    for (size_t i = 0; i < len; i++) {
        char c = text[i] == '+' ? ' ' : text[i];

        if (c == '%') {
            int high = i + 2 < len ? form_hex(text[i + 1]) : -1;
            int low = i + 2 < len ? form_hex(text[i + 2]) : -1;

            c = high >= 0 && low >= 0 ? (char)(high * 16 + low) : '\0';
            i += 2;
        }
        if (c == '\0') {
            fr_secret_free(to);
            return NULL;
        }
        to[used++] = c;
    }
    return to;
}

char *fr_form_get(const char *form, size_t len, const char *name)
{
    size_t name_len = strlen(name);
    const char *end = form + len, *found = NULL;
    size_t found_len = 0;

    for (const char *at = form, *next; at < end; at = next + 1) {
        next = memchr(at, '&', (size_t)(end - at));
        if (next == NULL)
            next = end;
        if ((size_t)(next - at) <= name_len || memcmp(at, name, name_len) != 0 ||
            at[name_len] != '=')
            continue;
        if (found != NULL)
            return NULL;
        found = at + name_len + 1;
        found_len = (size_t)(next - found);
    }
    return found != NULL ? form_decode(found, found_len) : NULL;
}
