/*
 * One-dimensional arrays in PostgreSQL's binary format (array_recv() of the server's source), as
 * parameters of a statement: no byte of a value is ever read as SQL, and no value needs an escape.
 *
 * Without memory, `failed` of the array's bytes is set. An array belongs to one thread; a zeroed one
 * owns no memory.
 */
#ifndef FR_POSTGRES_ARRAY_H
#define FR_POSTGRES_ARRAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "text_buffer.h"

/* The types of elements. The number of each is constant in all versions of PostgreSQL (pg_type.dat). */
enum db_type {
    DB_BOOL = 16,
    DB_INT8 = 20,
    DB_TEXT = 25,
    DB_FLOAT8 = 701,
    DB_TIME = 1083,
    DB_TIMESTAMPTZ = 1184,
    DB_JSONB = 3802,
};

struct db_array {
    struct fr_text_buffer bytes; /* the parameter, complete after db_array_end() */
    enum db_type type;
    uint32_t count;
};

void db_array_free(struct db_array *array);

/* Begin an empty array in the memory of the former one. */
void db_array_begin(struct db_array *array, enum db_type type);

/* Write the number of elements into the head. */
void db_array_end(struct db_array *array);

/* The name of a type as SQL. */
const char *db_type_name(enum db_type type);

/* Append an element of the type that the array has. */
void db_array_null(struct db_array *array);
void db_array_bool(struct db_array *array, bool value);
void db_array_int8(struct db_array *array, int64_t value);
void db_array_float8(struct db_array *array, double value);

/* A text. A NUL, and each byte that is not part of valid UTF-8, becomes U+FFFD. */
void db_array_text(struct db_array *array, const char *text, size_t len);

/* JSON text. As db_array_text(); the escape of a NUL, which the server refuses, becomes U+FFFD. */
void db_array_jsonb(struct db_array *array, const char *json, size_t len);

/* A time in milliseconds since 1970; beyond the years 1 to 9999: the nearest of them. */
void db_array_timestamptz(struct db_array *array, int64_t ms);

/* A time of day. */
void db_array_time(struct db_array *array, int64_t seconds);

#endif
