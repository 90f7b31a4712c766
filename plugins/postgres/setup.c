#include "postgres/setup.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "postgres/server_text.h"
#include "postgres/sqlstate.h"

static void setup_finish(struct setup *s, const char *why, bool away)
{
    s->running = false;
    s->end(s->ctx, why, away);
}

/* Whether a transaction succeeded. Otherwise the conversation has ended. */
static bool setup_succeeded(struct setup *s, const PGresult *result, const char *doing)
{
    ExecStatusType status = result != NULL ? PQresultStatus(result) : PGRES_FATAL_ERROR;
    const char *state, *message;
    char text[200], why[500];

    if (status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK)
        return true;
    if (result == NULL) { /* the connection was lost, which is reported too */
        setup_finish(s, "the connection was lost", true);
        return false;
    }
    state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    server_text(message != NULL ? message : "unknown error", text, sizeof text);
    snprintf(why, sizeof why, "%s: %s%s", doing, text, db_error_of(state).remedy);
    setup_finish(s, why, db_error_of(state).fault != FAULT_ROW);
    return false;
}

static void setup_read(struct setup *s);

/* ---- the version ----------------------------------------------------------------- */

static void setup_version_read(void *ctx, void *tag, const PGresult *result)
{
    struct setup *s = tag;
    int64_t version;
    char why[300];

    (void)ctx;
    if (!setup_succeeded(s, result, "the table schema_version cannot be read"))
        return;
    version = PQntuples(result) == 1 ? strtoll(PQgetvalue(result, 0, 0), NULL, 10) : 0;
    if (version == SCHEMA_VERSION) {
        setup_finish(s, NULL, false);
        return;
    }
    snprintf(why, sizeof why,
             "the tables have version %" PRId64 ", and this fleetroute makes version %d (upgrade "
             "fleetroute-postgres, or set another `schema:`)",
             version, SCHEMA_VERSION);
    setup_finish(s, why, true);
}

static void setup_read_version(struct setup *s)
{
    struct fr_text_buffer sql = {0};

    fr_text_buffer_add(&sql, "SELECT pg_catalog.max(version) FROM ");
    db_table_quoted(&sql, &s->schema.at, TABLE_VERSION);
    session_add(s->session, sql.failed ? NULL : fr_text_buffer_string(&sql), NULL, 0);
    fr_text_buffer_free(&sql);
    if (!session_commit(s->session, setup_version_read, s))
        setup_finish(s, "no memory", true);
}

/* ---- the tables ------------------------------------------------------------------ */

static void setup_created(void *ctx, void *tag, const PGresult *result)
{
    struct setup *s = tag;

    (void)ctx;
    if (setup_succeeded(s, result, "the tables cannot be made"))
        setup_read(s);
}

static void setup_create(struct setup *s)
{
    s->created = true;
    schema_add_creation(&s->schema, s->narrow, s->session);
    if (!session_commit(s->session, setup_created, s))
        setup_finish(s, "no memory", true);
}

static void setup_tables_read(void *ctx, void *tag, const PGresult *result)
{
    struct setup *s = tag;
    enum db_table missing;
    char why[200];

    (void)ctx;
    if (!setup_succeeded(s, result, "the catalogue cannot be read"))
        return;
    if (!schema_read(&s->schema, result)) {
        setup_finish(s, "no memory, or the server's answer is not that of PostgreSQL", true);
        return;
    }
    missing = schema_missing(&s->schema, s->narrow);
    if (missing == TABLES) {
        setup_read_version(s);
    } else if (!s->created) {
        setup_create(s);
    } else {
        snprintf(why, sizeof why, "the table %s is missing although it was made",
                 db_table_name(missing));
        setup_finish(s, why, true);
    }
}

/* The limits are shorter than the time-out of the connection, so that the server ends a statement that
 * waits for a lock, instead of a lost connection. */
static void setup_read(struct setup *s)
{
    char sql[400];

    snprintf(sql, sizeof sql,
             "SELECT pg_catalog.set_config('search_path', '', false), "
             "pg_catalog.set_config('lock_timeout', '%" PRId64 "', false), "
             "pg_catalog.set_config('statement_timeout', '%" PRId64 "', false)",
             s->timeout_ms * 6 / 10, s->timeout_ms * 8 / 10);
    session_add(s->session, sql, NULL, 0);
    schema_add_query(&s->schema, s->session);
    if (!session_commit(s->session, setup_tables_read, s))
        setup_finish(s, "no memory", true);
}

void setup_begin(struct setup *s)
{
    s->running = true;
    s->created = false;
    setup_read(s);
}

/* ---- columns --------------------------------------------------------------------- */

/* Whether the role may not add columns, and they are only for fields that a vehicle has named. */
static bool setup_only_unknown_refused(const struct setup *s, const PGresult *result)
{
    const char *state = result != NULL ? PQresultErrorField(result, PG_DIAG_SQLSTATE) : NULL;

    return state != NULL && strcmp(state, "42501") == 0 && !fields_asked_known(s->fields);
}

static void setup_columns_added(void *ctx, void *tag, const PGresult *result)
{
    struct setup *s = tag;

    (void)ctx;
    if (setup_only_unknown_refused(s, result))
        setup_finish(s, "the role may not add a column", false);
    else if (setup_succeeded(s, result, "a column cannot be added"))
        setup_read(s);
}

void setup_begin_columns(struct setup *s)
{
    s->running = true;
    s->created = false;
    fields_add_columns(s->fields, &s->schema, s->session);
    if (!session_commit(s->session, setup_columns_added, s))
        setup_finish(s, "no memory", true);
}
