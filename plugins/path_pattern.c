#include "path_pattern.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

/* The length of "%{WORD}" if `at` begins with it, else 0. */
static size_t pattern_match_word(const char *at, const char *word)
{
    size_t len = strlen(word);

    return strncmp(at, "%{", 2) == 0 && strncmp(at + 2, word, len) == 0 && at[2 + len] == '}'
               ? len + 3
               : 0;
}

static bool pattern_append_escaped(char *to, size_t size, size_t *used, const char *text)
{
    for (size_t i = 0; text[i] != '\0'; i++) {
        char c = text[i];

        if (*used + 1 >= size)
            return false;
        if (c == '/' || c == '~' || c == 0x7f || (unsigned char)c < 0x20 || (c == '.' && i == 0))
            c = '_';
        to[(*used)++] = c;
    }
    return true;
}

bool fr_pattern_expand(const char *pattern, const struct fr_delivery *delivery, int64_t ms,
                       char *to, size_t size)
{
    const char *type = delivery->kind == FR_DELIVERY_FIELD ? "fields" : delivery->record_type;
    const char *name = delivery->vehicle_name != NULL ? delivery->vehicle_name : delivery->vin;
    time_t seconds = (time_t)(ms / 1000);
    size_t used = 0, len;
    struct tm tm;
    bool fits = true;

    gmtime_r(&seconds, &tm);
    while (*pattern != '\0' && fits) {
        if ((len = pattern_match_word(pattern, "vin")) != 0)
            fits = pattern_append_escaped(to, size, &used, delivery->vin);
        else if ((len = pattern_match_word(pattern, "type")) != 0)
            fits = pattern_append_escaped(to, size, &used, type);
        else if ((len = pattern_match_word(pattern, "name")) != 0)
            fits = pattern_append_escaped(to, size, &used, name);
        else if (*pattern == '%' && pattern[1] != '\0') {
            char conversion[3] = {'%', pattern[1], '\0'}, text[64];

            len = 2;
            if (strftime(text, sizeof text, conversion, &tm) == 0)
                text[0] = '\0';
            fits = pattern_append_escaped(to, size, &used, text);
        } else {
            len = 1;
            fits = used + 1 < size;
            if (fits)
                to[used++] = *pattern;
        }
        pattern += len;
    }
    to[used < size ? used : size - 1] = '\0';
    return fits;
}

const char *fr_pattern_mistake(const char *pattern)
{
    for (const char *at = pattern; (at = strchr(at, '%')) != NULL; at += 2) {
        if (at[1] == '{' && !pattern_match_word(at, "vin") && !pattern_match_word(at, "type") &&
            !pattern_match_word(at, "name"))
            return "the word in braces is not valid; use %{vin}, %{name} or %{type}";
        if (at[1] != '{' && (at[1] == '\0' || strchr("YmdHMSjyFTGVuwab%", at[1]) == NULL))
            return "% must be followed by one of Y m d H M S j F G V, or by {vin}, {name} or "
                   "{type}";
    }
    return *pattern == '\0' ? "the pattern is empty" : NULL;
}
