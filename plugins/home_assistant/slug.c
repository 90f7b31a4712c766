#include "home_assistant/slug.h"

#include <string.h>

/* The letters U+00C0 to U+017F without their accents, one byte each; a space: no Latin letter. */
static const char plain[] = "AAAAAAACEEEEIIIIDNOOOOO OUUUUYTsaaaaaaaceeeeiiiidnooooo ouuuuyty"
                            "AaAaAaCcCcCcCcDdDdEeEeEeEeEeGgGgGgGgHhHhIiIiIiIiIiIiJjKkkLlLlLlL"
                            "lLlNnNnNnnNnOoOoOoOoRrRrRrSsSsSsSsTtTtTtUuUuUuUuUuUuWwYyYZzZzZzs";

/* Read one character at *at, advance *at, and return it without its accent; ' ': no letter. */
static char slug_next_letter(const unsigned char **at)
{
    unsigned char c = *(*at)++;
    unsigned code;

    if (c < 0x80)
        return (char)c;
    if (c < 0xc3 || c > 0xc5 || (**at & 0xc0) != 0x80)
        return ' ';
    code = (unsigned)(c & 0x1f) << 6 | (*(*at)++ & 0x3f);
    return plain[code - 0xc0];
}

void fr_entity_slug(const char *name, char *slug, size_t size)
{
    const unsigned char *at = (const unsigned char *)name;
    size_t len = 0;

    while (*at != '\0' && len + 1 < size) {
        char c = slug_next_letter(&at);

        if (c >= 'A' && c <= 'Z')
            c = (char)(c - 'A' + 'a');
        if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'))
            slug[len++] = c;
        else if (len != 0 && slug[len - 1] != '_')
            slug[len++] = '_';
    }
    if (len != 0 && slug[len - 1] == '_')
        len--;
    slug[len] = '\0';
}
