#include "fleet_api/clean_text.h"

#include <ctype.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "util/redact.h"
#include "util/utf8.h"

#define VIN_LEN 17
#define SECRET_LEN_MIN 20
#define CLEANED_SIZE 1024 /* bytes of a message that are read */

/* Whether a character is a control character, U+0000 to U+001F and U+007F to U+009F, or a line or
 * paragraph separator. */
static bool clean_is_control(const uint8_t *at, size_t size)
{
    return (size == 1 && (at[0] <= 0x20 || at[0] == 0x7f)) ||
           (size == 2 && at[0] == 0xc2 && at[1] <= 0xa0) ||
           (size == 3 && at[0] == 0xe2 && at[1] == 0x80 && (at[2] & 0xfe) == 0xa8);
}

/* Whether a character has no width or changes the direction of text: U+061C, U+180E, U+200B to U+200F,
 * U+202A to U+202E, U+2060 to U+206F, U+FEFF, the tags U+E0000 to U+E007F. */
static bool clean_is_invisible(const uint8_t *at, size_t size)
{
    if (size == 2)
        return at[0] == 0xd8 && at[1] == 0x9c;
    if (size == 4)
        return at[0] == 0xf3 && at[1] == 0xa0 && (at[2] & 0xfe) == 0x80;
    if (size != 3)
        return false;
    if (at[0] == 0xe1 && at[1] == 0xa0)
        return at[2] == 0x8e;
    if (at[0] == 0xe2 && at[1] == 0x80)
        return (at[2] >= 0x8b && at[2] <= 0x8f) || (at[2] >= 0xaa && at[2] <= 0xae);
    if (at[0] == 0xe2 && at[1] == 0x81)
        return at[2] >= 0xa0 && at[2] <= 0xaf;
    return at[0] == 0xef && at[1] == 0xbb && at[2] == 0xbf;
}

void fr_clean_text(char *to, size_t size, const char *text, size_t len)
{
    const uint8_t *bytes = (const uint8_t *)text;
    size_t used = 0, step;

    if (len > 4 * size)
        len = 4 * size;
    for (size_t i = 0; i < len; i += step) {
        size_t valid = fr_utf8_length(bytes + i, len - i);

        step = valid != 0 ? valid : 1;
        if (clean_is_invisible(bytes + i, valid))
            continue;
        if (used + step >= size)
            break;
        if (valid == 0)
            to[used++] = '?';
        else if (!clean_is_control(bytes + i, valid)) {
            memcpy(to + used, bytes + i, valid);
            used += valid;
        } else if (used > 0 && to[used - 1] != ' ')
            to[used++] = ' ';
    }
    while (used > 0 && to[used - 1] == ' ')
        used--;
    to[used] = '\0';
}

/* ---- secrets and VINs ------------------------------------------------------------ */

static bool clean_is_vin_letter(char c)
{
    return isdigit((unsigned char)c) || (c >= 'A' && c <= 'Z' && c != 'I' && c != 'O' && c != 'Q');
}

static bool clean_starts_vin(const char *text)
{
    for (size_t i = 0; i < VIN_LEN; i++)
        if (!clean_is_vin_letter(text[i]))
            return false;
    return true;
}

bool fr_is_vin(const char *text)
{
    return clean_starts_vin(text) && text[VIN_LEN] == '\0';
}

/* The length of the word at `text` in the characters of tokens, codes and secrets. */
static size_t clean_word(const char *text, bool *has_digit)
{
    size_t len = 0;

    *has_digit = false;
    while (isalnum((unsigned char)text[len]) ||
           (text[len] != '\0' && strchr("-_.~+/=%", text[len]) != NULL)) {
        *has_digit = *has_digit || isdigit((unsigned char)text[len]);
        len++;
    }
    return len;
}

/* Append as much of `text` as fits. */
static size_t clean_put(char *to, size_t size, size_t used, const char *text, size_t len)
{
    if (len > size - 1 - used)
        len = size - 1 - used;
    memcpy(to + used, text, len);
    return used + len;
}

/* Copy a text, with its VINs redacted if redaction is on. `to` has CLEANED_SIZE bytes. */
static void clean_redact(char *to, const char *text)
{
    char tag[FR_REDACTED_VIN_SIZE], vin[VIN_LEN + 1];
    size_t used = 0, step;

    for (const char *at = text; *at != '\0'; at += step) {
        const char *word = at;

        step = 1;
        while (isalnum((unsigned char)at[0]) && isalnum((unsigned char)at[step]))
            step++;
        if (step == VIN_LEN && clean_starts_vin(at)) {
            snprintf(vin, sizeof vin, "%.*s", VIN_LEN, at);
            word = fr_display_vin(vin, tag);
        }
        used = clean_put(to, CLEANED_SIZE, used, word, word == at ? step : strlen(word));
    }
    to[used] = '\0';
}

void fr_clean_message(char *to, size_t size, const char *text, size_t len)
{
    char cleaned[CLEANED_SIZE], redacted[CLEANED_SIZE];
    size_t used = 0, step;

    fr_clean_text(cleaned, sizeof cleaned, text, len);
    clean_redact(redacted, cleaned);
    for (const char *at = redacted; *at != '\0'; at += step) {
        bool has_digit, is_word;

        step = clean_word(at, &has_digit);
        is_word = step != 0;
        if (!is_word)
            step = fr_utf8_length((const uint8_t *)at, strlen(at));
        if (step == 0 || (!is_word && used + step >= size)) /* a character is not split */
            break;
        if (step >= SECRET_LEN_MIN && has_digit)
            used = clean_put(to, size, used, "[removed]", 9);
        else
            used = clean_put(to, size, used, at, step);
    }
    to[used] = '\0';
}
