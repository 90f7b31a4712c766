#include "postgres/identifier.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "text_hash.h"

#define SUFFIX_SIZE 10 /* "_longitude" */
#define HASH_SIZE 9    /* "_" and 8 digits */
#define PLAIN_MAX (DB_NAME_SIZE - 1 - SUFFIX_SIZE - HASH_SIZE)

void db_identifier_append(struct fr_text_buffer *out, const char *name)
{
    fr_text_buffer_byte(out, '"');
    for (; *name != '\0'; name++) {
        if (*name == '"')
            fr_text_buffer_byte(out, '"');
        fr_text_buffer_byte(out, *name);
    }
    fr_text_buffer_byte(out, '"');
}

void db_table_append(struct fr_text_buffer *out, const char *schema, const char *table)
{
    db_identifier_append(out, schema);
    fr_text_buffer_byte(out, '.');
    db_identifier_append(out, table);
}

static bool is_upper(char c)
{
    return c >= 'A' && c <= 'Z';
}

static bool is_lower_or_digit(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

/* Whether a new word begins at name[i], which is not the first character. */
static bool begins_word(const char *name, size_t i)
{
    return is_upper(name[i]) &&
           (is_lower_or_digit(name[i - 1]) ||
            (is_upper(name[i - 1]) && name[i + 1] >= 'a' && name[i + 1] <= 'z'));
}

static bool is_reserved(const char *column)
{
    static const char *const names[] = {"vin",  "time", "txid", "received_at", "ctid",
                                        "xmin", "xmax", "cmin", "cmax",        "tableoid"};

    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(column, names[i]) == 0)
            return true;
    return false;
}

/* Write "_", 8 digits and a NUL. */
static void append_hash(char *out, uint32_t hash)
{
    static const char digits[] = "0123456789abcdef";

    *out++ = '_';
    for (int shift = 28; shift >= 0; shift -= 4)
        *out++ = digits[hash >> shift & 15];
    *out = '\0';
}

void db_column_name(const char *field, char column[DB_NAME_SIZE])
{
    size_t len = 0;
    bool lossy = field[0] == '\0';

    for (size_t i = 0; field[i] != '\0'; i++) {
        if (len + 2 > PLAIN_MAX) {
            lossy = true;
            break;
        }
        if (i != 0 && begins_word(field, i))
            column[len++] = '_';
        lossy |= (unsigned char)field[i] >= 0x80;
        column[len++] = is_upper(field[i])            ? (char)(field[i] - 'A' + 'a')
                        : is_lower_or_digit(field[i]) ? field[i]
                                                      : '_';
    }
    column[len] = '\0';
    if (lossy)
        append_hash(column + len, fr_text_hash(field));
    else if (is_reserved(column))
        memcpy(column + len, "_", 2);
}
