/*
 * What the database has: the tables, and the columns of the wide table. Read from the server's
 * catalogue. A schema belongs to one thread; a zeroed one with a location is empty.
 */
#ifndef FR_POSTGRES_SCHEMA_H
#define FR_POSTGRES_SCHEMA_H

#include <libpq-fe.h>

#include "postgres/session.h"
#include "postgres/tables.h"

struct schema_column {
    char name[DB_NAME_SIZE];
    char type[DB_NAME_SIZE]; /* for people, such as "character varying(20)"; shortened */
    uint32_t oid;            /* of the type */
};

struct schema {
    struct db_location at;
    bool exists; /* the schema itself */
    bool tables[TABLES];
    struct schema_column *columns; /* of the wide table, sorted by name; owned */
    size_t count;
    unsigned reading;             /* number of the last schema_read(), which may change columns */
    char timescale[DB_NAME_SIZE]; /* the schema of the extension TimescaleDB; "": absent */
};

void schema_free(struct schema *schema);

/* Add the statement that reads the catalogue to the next transaction. */
void schema_add_query(const struct schema *schema, struct session *session);

/* Take the result of this statement. False: no memory, or not such a result. */
bool schema_read(struct schema *schema, const PGresult *result);

/* The first table that is missing; TABLES: none. The tables of values are those of one layout. */
enum db_table schema_missing(const struct schema *schema, bool narrow);

/* Add the statements that make all that is missing, under a lock against other daemons. */
void schema_add_creation(const struct schema *schema, bool narrow, struct session *session);

/* Add the statement that takes the lock of all daemons until the end of the transaction. */
void schema_add_lock(struct session *session);

/* A column of the wide table; NULL: there is none. */
const struct schema_column *schema_column(const struct schema *schema, const char *name);

#endif
