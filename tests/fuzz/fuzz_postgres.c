/* Names and values for a PostgreSQL server: what is written must be what a server can read. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "postgres/array.h"
#include "postgres/identifier.h"
#include "postgres/server_text.h"
#include "postgres/sqlstate.h"
#include "utf8.h"

#define HEAD_SIZE 20

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

static void require(bool condition)
{
    if (!condition)
        abort();
}

static uint32_t be32(const char *at)
{
    const unsigned char *b = (const unsigned char *)at;

    return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

static void require_text(const char *text, size_t len)
{
    uint32_t code;

    while (len != 0) {
        size_t n = fr_utf8_next(text, len, &code);

        require(n != 0 && code != 0);
        text += n;
        len -= n;
    }
}

/* Read an array as the server does: its elements fill it exactly. */
static void require_array(const struct db_array *array, enum db_type type)
{
    const char *at = array->bytes.bytes + HEAD_SIZE;
    const char *end = array->bytes.bytes + array->bytes.len;

    require(!array->bytes.failed && array->bytes.len >= HEAD_SIZE && be32(array->bytes.bytes) == 1);
    require(be32(array->bytes.bytes + 8) == (uint32_t)type);
    require(be32(array->bytes.bytes + 12) == array->count);
    for (uint32_t i = 0; i < array->count; i++) {
        uint32_t size;

        require(end - at >= 4);
        size = be32(at);
        at += 4;
        if (size == UINT32_MAX)
            continue;
        require(size <= (size_t)(end - at));
        require(type == DB_TEXT || (size != 0 && *at == 1));
        require_text(type == DB_TEXT ? at : at + 1, type == DB_TEXT ? size : size - 1);
        at += size;
    }
    require(at == end);
}

/* The input as texts, with a byte 0xfe between them. */
static void try_array(const char *bytes, size_t len, enum db_type type)
{
    struct db_array array = {0};

    db_array_begin(&array, type);
    for (const char *end; len != 0;) {
        size_t part;

        end = memchr(bytes, 0xfe, len);
        part = end != NULL ? (size_t)(end - bytes) : len;
        if (type == DB_TEXT)
            db_array_text(&array, bytes, part);
        else
            db_array_jsonb(&array, bytes, part);
        db_array_null(&array);
        bytes += part;
        len -= part;
        if (len != 0) {
            bytes++;
            len--;
        }
    }
    db_array_end(&array);
    if (array.count != 0)
        require_array(&array, type);
    db_array_free(&array);
}

/* A quoted name ends at its last byte, and nothing of it is outside the quotes. */
static void try_quotes(const char *name)
{
    struct fr_text_buffer out = {0};
    const char *at;

    db_identifier_append(&out, name);
    require(!out.failed && out.bytes[0] == '"' && out.bytes[out.len - 1] == '"');
    for (at = out.bytes + 1; at < out.bytes + out.len - 1; at++, name++) {
        require(*at == *name);
        if (*at == '"')
            require(*++at == '"');
    }
    require(*name == '\0');
    fr_text_buffer_free(&out);
}

static void try_column(const char *name)
{
    char column[DB_NAME_SIZE];

    db_column_name(name, column);
    require(column[0] != '\0' && strlen(column) < DB_NAME_SIZE - 10);
    require(strspn(column, "abcdefghijklmnopqrstuvwxyz0123456789_") == strlen(column));
    require(strcmp(column, "vin") != 0 && strcmp(column, "ctid") != 0);
}

static void try_message(const char *message)
{
    char state[6], text[40];

    db_error_find_state(message, state);
    require(state[0] == '\0' || strlen(state) == 5);
    require(db_error_of(state).remedy != NULL);
    server_text(message, text, sizeof text);
    for (const char *c = text; *c != '\0'; c++)
        require(*c >= ' ' && *c <= '~');
    server_login_remedy(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    char *text = malloc(len + 1);

    require(text != NULL);
    if (len != 0)
        memcpy(text, bytes, len);
    text[len] = '\0';
    try_array(text, len, DB_TEXT);
    try_array(text, len, DB_JSONB);
    try_quotes(text);
    try_column(text);
    try_message(text);
    free(text);
    return 0;
}
