/*
 * The tables of the plugin: their columns and keys, and the SQL that makes them. Any thread.
 */
#ifndef FR_POSTGRES_TABLES_H
#define FR_POSTGRES_TABLES_H

#include <stdbool.h>
#include <stdint.h>

#include "postgres/array.h"
#include "postgres/identifier.h"

enum db_table {
    TABLE_WIDE,
    TABLE_NARROW,
    TABLE_ALERTS,
    TABLE_ERRORS,
    TABLE_CONNECTIVITY,
    TABLE_RECORDS,
    TABLE_VERSION,
    TABLES,
};

#define SCHEMA_VERSION 1 /* of the tables; the table schema_version has that of the database */
#define PREFIX_MAX 32    /* bytes of `table_prefix:` */

/* The name without the prefix, and the columns of the key as SQL. */
const char *db_table_name(enum db_table table);
const char *db_table_key(enum db_table table);

/* Where the tables are. The texts belong to the configuration. */
struct db_location {
    const char *schema, *prefix;
};

/* Write the name with the prefix. */
void db_table_prefixed(const struct db_location *at, enum db_table table, char name[DB_NAME_SIZE]);

/* Append schema.table, quoted. */
void db_table_quoted(struct fr_text_buffer *out, const struct db_location *at, enum db_table table);

/* Append the statement that makes a table, or an index of its times, unless it exists. */
void db_table_create(struct fr_text_buffer *out, const struct db_location *at, enum db_table table);
void db_table_create_index(struct fr_text_buffer *out, const struct db_location *at,
                           enum db_table table);

/* Append the statement that deletes up to `count` rows that are older than the parameter $1. */
void db_table_delete_old(struct fr_text_buffer *out, const struct db_location *at,
                         enum db_table table, int count);

#endif
