#include "postgres/schema.h"

#include <stdlib.h>
#include <string.h>

#define LOCK "SELECT pg_catalog.pg_advisory_xact_lock(438086525300)" /* any constant number */

static const char catalogue[] =
    "SELECT c.relname, a.attname, a.atttypid, pg_catalog.format_type(a.atttypid, a.atttypmod), "
    "(SELECT x.nspname FROM pg_catalog.pg_extension e "
    "JOIN pg_catalog.pg_namespace x ON x.oid = e.extnamespace WHERE e.extname = 'timescaledb') "
    "FROM pg_catalog.pg_namespace n "
    "LEFT JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relkind IN ('r', 'p', 'v', "
    "'f') "
    "AND c.relname::pg_catalog.text = ANY ($2::pg_catalog.text[]) "
    "LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 "
    "AND NOT a.attisdropped "
    "WHERE n.nspname = $1::pg_catalog.text";
enum { CATALOGUE_COLUMNS = 5 };

void schema_free(struct schema *s)
{
    free(s->columns);
    s->columns = NULL;
    s->count = 0;
}

void schema_add_query(const struct schema *s, struct session *session)
{
    struct db_array names = {0};
    char name[DB_NAME_SIZE];

    db_array_begin(&names, DB_TEXT);
    for (int i = 0; i < TABLES; i++) {
        db_table_prefixed(&s->at, (enum db_table)i, name);
        db_array_text(&names, name, strlen(name));
    }
    db_array_end(&names);
    session_add(session, names.bytes.failed ? NULL : catalogue,
                (struct session_value[]){{s->at.schema, strlen(s->at.schema)},
                                         {names.bytes.bytes, names.bytes.len}},
                2);
    db_array_free(&names);
}

static void copy_name(char out[DB_NAME_SIZE], const char *text)
{
    size_t len = strnlen(text, DB_NAME_SIZE - 1);

    memcpy(out, text, len);
    out[len] = '\0';
}

static int compare_columns(const void *a, const void *b)
{
    const struct schema_column *x = a, *y = b;

    return strcmp(x->name, y->name);
}

static void schema_read_row(struct schema *s, const PGresult *result, int row)
{
    const char *table = PQgetvalue(result, row, 0);
    char name[DB_NAME_SIZE];

    for (int i = 0; i < TABLES; i++) {
        db_table_prefixed(&s->at, (enum db_table)i, name);
        if (strcmp(table, name) != 0)
            continue;
        s->tables[i] = true;
        if (i == TABLE_WIDE && !PQgetisnull(result, row, 1)) {
            struct schema_column *c = &s->columns[s->count++];

            copy_name(c->name, PQgetvalue(result, row, 1));
            copy_name(c->type, PQgetvalue(result, row, 3));
            c->oid = (uint32_t)strtoul(PQgetvalue(result, row, 2), NULL, 10);
        }
    }
}

bool schema_read(struct schema *s, const PGresult *result)
{
    int rows = PQntuples(result);

    schema_free(s);
    memset(s->tables, 0, sizeof s->tables);
    s->timescale[0] = '\0';
    s->exists = rows != 0;
    s->reading++;
    if (PQnfields(result) != CATALOGUE_COLUMNS)
        return false;
    s->columns = calloc((size_t)rows + 1, sizeof *s->columns);
    if (s->columns == NULL)
        return false;
    for (int row = 0; row < rows; row++)
        schema_read_row(s, result, row);
    if (rows != 0)
        copy_name(s->timescale, PQgetvalue(result, 0, 4));
    qsort(s->columns, s->count, sizeof *s->columns, compare_columns);
    return true;
}

static bool schema_needs(enum db_table table, bool narrow)
{
    return table == TABLE_WIDE ? !narrow : table != TABLE_NARROW || narrow;
}

enum db_table schema_missing(const struct schema *s, bool narrow)
{
    for (int i = 0; i < TABLES; i++)
        if (!s->tables[i] && schema_needs((enum db_table)i, narrow))
            return (enum db_table)i;
    return TABLES;
}

static void send_and_clear(struct session *session, struct fr_text_buffer *sql)
{
    session_add(session, sql->failed ? NULL : fr_text_buffer_string(sql), NULL, 0);
    fr_text_buffer_clear(sql);
}

/* Not tested: Debian has no package of TimescaleDB. */
static void add_hypertable(const struct schema *s, enum db_table table, struct session *session)
{
    struct fr_text_buffer sql = {0}, name = {0};

    db_table_quoted(&name, &s->at, table);
    fr_text_buffer_add(&sql, "SELECT ");
    db_table_append(&sql, s->timescale, "create_hypertable");
    fr_text_buffer_add(&sql,
                       "($1::pg_catalog.text::pg_catalog.regclass, 'time', if_not_exists => true)");
    session_add(session, sql.failed || name.failed ? NULL : fr_text_buffer_string(&sql),
                (struct session_value[]){{name.bytes, name.len}}, 1);
    fr_text_buffer_free(&sql);
    fr_text_buffer_free(&name);
}

static void schema_add_table(const struct schema *s, enum db_table table, struct session *session,
                             struct fr_text_buffer *sql)
{
    db_table_create(sql, &s->at, table);
    send_and_clear(session, sql);
    if (table == TABLE_VERSION)
        return;
    db_table_create_index(sql, &s->at, table);
    send_and_clear(session, sql);
    if (s->timescale[0] != '\0' && (table == TABLE_WIDE || table == TABLE_NARROW))
        add_hypertable(s, table, session);
}

void schema_add_lock(struct session *session)
{
    session_add(session, LOCK, NULL, 0);
}

void schema_add_creation(const struct schema *s, bool narrow, struct session *session)
{
    struct fr_text_buffer sql = {0};

    schema_add_lock(session);
    if (!s->exists) {
        fr_text_buffer_add(&sql, "CREATE SCHEMA IF NOT EXISTS ");
        db_identifier_append(&sql, s->at.schema);
        send_and_clear(session, &sql);
    }
    for (int i = 0; i < TABLES; i++)
        if (!s->tables[i] && schema_needs((enum db_table)i, narrow))
            schema_add_table(s, (enum db_table)i, session, &sql);
    if (!s->tables[TABLE_VERSION]) {
        fr_text_buffer_add(&sql, "INSERT INTO ");
        db_table_quoted(&sql, &s->at, TABLE_VERSION);
        fr_text_buffer_printf(&sql, " (version) VALUES (%d) ON CONFLICT DO NOTHING",
                              SCHEMA_VERSION);
        send_and_clear(session, &sql);
    }
    fr_text_buffer_free(&sql);
}

const struct schema_column *schema_column(const struct schema *s, const char *name)
{
    struct schema_column key;

    copy_name(key.name, name);
    return s->count != 0 ? bsearch(&key, s->columns, s->count, sizeof *s->columns, compare_columns)
                         : NULL;
}
