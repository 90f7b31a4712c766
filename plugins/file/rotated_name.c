#include "rotated_name.h"

#include <string.h>

#define DIGITS_MIN 8
#define DIGITS_MAX 18

static size_t rotated_count_digits(const char *text)
{
    return strspn(text, "0123456789");
}

/* The text after a date such as "-20261124T112650Z"; NULL: the text has no date. */
static const char *rotated_skip_date(const char *text)
{
    if (text[0] != '-' || rotated_count_digits(text + 1) != 8 || text[9] != 'T' ||
        rotated_count_digits(text + 10) != 6 || text[16] != 'Z')
        return NULL;
    return text + 17;
}

enum fr_rotated_kind fr_rotated_kind(const char *name, const char *base, uint64_t *sequence)
{
    const char *at = strrchr(name, '~');
    size_t digits;

    if (at == NULL || at == name)
        return FR_ROTATED_NONE;
    if (base != NULL &&
        ((size_t)(at - name) != strlen(base) || strncmp(name, base, strlen(base)) != 0))
        return FR_ROTATED_NONE;
    digits = rotated_count_digits(++at);
    if (digits < DIGITS_MIN || digits > DIGITS_MAX)
        return FR_ROTATED_NONE;
    for (*sequence = 0; digits != 0; digits--, at++)
        *sequence = *sequence * 10 + (uint64_t)(*at - '0');
    at = rotated_skip_date(at);
    if (at == NULL)
        return FR_ROTATED_NONE;
    if (*at == '\0')
        return FR_ROTATED_PLAIN;
    if (strcmp(at, ".gz") == 0 || strcmp(at, ".zst") == 0)
        return FR_ROTATED_COMPRESSED;
    return strcmp(at, ".gz.part") == 0 || strcmp(at, ".zst.part") == 0 ? FR_ROTATED_PART
                                                                       : FR_ROTATED_NONE;
}

void fr_rotated_suffix(struct fr_text_buffer *name, uint64_t sequence, time_t when)
{
    char date[32];
    struct tm tm;

    gmtime_r(&when, &tm);
    strftime(date, sizeof date, "%Y%m%dT%H%M%SZ", &tm);
    fr_text_buffer_printf(name, "~%08llu-%s", (unsigned long long)sequence, date);
}
