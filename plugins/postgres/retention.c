#include "postgres/retention.h"

#include <stdlib.h>

#include "clock_ms.h"
#include "postgres/server_text.h"
#include "postgres/sqlstate.h"

#define ROWS_MAX 2000  /* of one statement */
#define PART_MS 200    /* pause while there is more to delete */
#define ROUND_MS 60000 /* pause after all tables */

static void retention_in(struct retention *r, int64_t ms)
{
    event_add(r->timer, &(struct timeval){ms / 1000, ms % 1000 * 1000});
}

/* Go to the next table that exists. The one of the versions is the last and has no old rows. */
static void retention_next(struct retention *r)
{
    do
        r->table = (enum db_table)((unsigned)r->table + 1);
    while (r->table < TABLE_VERSION && !r->schema->tables[r->table]);
    if (r->table == TABLE_VERSION)
        r->table = TABLE_WIDE;
}

static void retention_log(const struct retention *r, const PGresult *result)
{
    const char *message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    char text[200];

    server_text(message != NULL ? message : "unknown error", text, sizeof text);
    r->host->log(r->sink, FR_LOG_WARNING, "old rows of the table %s are not deleted: %s%s",
                 db_table_name(r->table), text,
                 db_error_of(PQresultErrorField(result, PG_DIAG_SQLSTATE)).remedy);
}

static void retention_answered(void *ctx, void *tag, const PGresult *result)
{
    struct retention *r = tag;
    bool ok = result != NULL && PQresultStatus(result) == PGRES_COMMAND_OK;

    (void)ctx;
    r->running = false;
    if (result == NULL)
        return;
    if (ok && atoi(PQcmdTuples((PGresult *)(uintptr_t)result)) == ROWS_MAX) {
        retention_in(r, PART_MS);
        return;
    }
    if (!ok)
        retention_log(r, result);
    retention_next(r);
    retention_in(r, r->table == TABLE_WIDE ? ROUND_MS : PART_MS);
}

static void retention_begin(evutil_socket_t fd, short what, void *ctx)
{
    struct retention *r = ctx;
    struct fr_text_buffer sql = {0};
    struct db_array before = {0};

    (void)fd, (void)what;
    if (r->running || !session_is_up(r->session))
        return;
    if (!r->schema->tables[r->table])
        retention_next(r);
    db_table_delete_old(&sql, &r->schema->at, r->table, ROWS_MAX);
    db_array_begin(&before, DB_TIMESTAMPTZ);
    db_array_timestamptz(&before, fr_clock_wall_ms() - r->age_ms);
    db_array_end(&before);
    session_add(r->session, sql.failed || before.bytes.failed ? NULL : fr_text_buffer_string(&sql),
                (struct session_value[]){{before.bytes.bytes, before.bytes.len}}, 1);
    r->running = session_commit(r->session, retention_answered, r);
    fr_text_buffer_free(&sql);
    db_array_free(&before);
}

bool retention_init(struct retention *r, struct fr_sink *sink, const struct fr_host *host,
                    struct session *session, const struct schema *schema)
{
    *r = (struct retention){.sink = sink, .host = host, .session = session, .schema = schema};
    r->age_ms = host->number(sink, "retention");
    r->timer = event_new(host->event_base(sink), -1, 0, retention_begin, r);
    return r->timer != NULL;
}

void retention_free(struct retention *r)
{
    if (r->timer != NULL)
        event_free(r->timer);
    r->timer = NULL;
}

void retention_start(struct retention *r)
{
    if (r->age_ms != 0 && !r->running && !event_pending(r->timer, EV_TIMEOUT, NULL))
        retention_in(r, PART_MS);
}

void retention_stop(struct retention *r)
{
    event_del(r->timer);
}
