#include "postgres/tables.h"

#include <stdio.h>

#define WHO                                                                                        \
    "vin text NOT NULL, time timestamp with time zone NOT NULL, txid text NOT NULL, "              \
    "received_at timestamp with time zone NOT NULL"
#define PART WHO ", position bigint NOT NULL, name text"

static const struct {
    const char *name, *columns, *key;
} tables[TABLES] = {
    [TABLE_WIDE] = {"telemetry", WHO, "vin, time, txid"},
    [TABLE_NARROW] = {"telemetry_values",
                      WHO ", field text NOT NULL, unit text, number double precision, "
                          "\"integer\" bigint, text text, \"boolean\" boolean, "
                          "latitude double precision, longitude double precision",
                      "vin, field, time, txid"},
    [TABLE_ALERTS] = {"alerts",
                      PART ", started_at timestamp with time zone, "
                           "ended_at timestamp with time zone, audiences jsonb",
                      "vin, time, txid, position"},
    [TABLE_ERRORS] = {"errors", PART ", body text, tags jsonb, created_at timestamp with time zone",
                      "vin, time, txid, position"},
    [TABLE_CONNECTIVITY] = {"connectivity",
                            WHO ", status text, connection_id text, network_interface text, "
                                "created_at timestamp with time zone",
                            "vin, time, txid"},
    [TABLE_RECORDS] = {"records", WHO ", type text NOT NULL, payload jsonb NOT NULL",
                       "vin, type, time, txid"},
    [TABLE_VERSION] = {"schema_version",
                       "version bigint NOT NULL, "
                       "changed_at timestamp with time zone NOT NULL DEFAULT pg_catalog.now()",
                       "version"},
};

const char *db_table_name(enum db_table table)
{
    return tables[table].name;
}

const char *db_table_key(enum db_table table)
{
    return tables[table].key;
}

void db_table_prefixed(const struct db_location *at, enum db_table table, char name[DB_NAME_SIZE])
{
    snprintf(name, DB_NAME_SIZE, "%.*s%s", PREFIX_MAX, at->prefix, tables[table].name);
}

void db_table_quoted(struct fr_text_buffer *out, const struct db_location *at, enum db_table table)
{
    char name[DB_NAME_SIZE];

    db_table_prefixed(at, table, name);
    db_table_append(out, at->schema, name);
}

void db_table_create(struct fr_text_buffer *out, const struct db_location *at, enum db_table table)
{
    fr_text_buffer_add(out, "CREATE TABLE IF NOT EXISTS ");
    db_table_quoted(out, at, table);
    fr_text_buffer_printf(out, " (%s, PRIMARY KEY (%s))", tables[table].columns, tables[table].key);
}

/* Rows come in the order of their times, so that this kind of index is small. */
void db_table_create_index(struct fr_text_buffer *out, const struct db_location *at,
                           enum db_table table)
{
    char name[DB_NAME_SIZE], index[DB_NAME_SIZE];

    db_table_prefixed(at, table, name);
    snprintf(index, sizeof index, "%.57s_time", name);
    fr_text_buffer_add(out, "CREATE INDEX IF NOT EXISTS ");
    db_identifier_append(out, index);
    fr_text_buffer_add(out, " ON ");
    db_table_append(out, at->schema, name);
    fr_text_buffer_add(out, " USING brin (time)");
}

void db_table_delete_old(struct fr_text_buffer *out, const struct db_location *at,
                         enum db_table table, int count)
{
    fr_text_buffer_add(out, "DELETE FROM ");
    db_table_quoted(out, at, table);
    fr_text_buffer_printf(out, " WHERE (%s) IN (SELECT %s FROM ", tables[table].key,
                          tables[table].key);
    db_table_quoted(out, at, table);
    fr_text_buffer_printf(out,
                          " WHERE time < ($1::pg_catalog.timestamptz[])[1] LIMIT %d) AND "
                          "time < ($1::pg_catalog.timestamptz[])[1]",
                          count);
}
