/*
 * The sink plugin postgres.so: inserts values and records into the tables of a PostgreSQL server. This
 * file connects the parts; everything runs on the sink's thread.
 *
 * A delivery is FR_DONE when the server has committed its batch. A batch that the server refuses because
 * of one of its rows is divided until this row is alone. While the server refuses batches for a reason
 * that is not a row's, one batch is sent at a time.
 */
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock_ms.h"
#include "fleetroute/plugin.h"
#include "postgres/batch.h"
#include "postgres/retention.h"
#include "postgres/server_text.h"
#include "postgres/servers.h"
#include "postgres/setup.h"
#include "postgres/sqlstate.h"
#include "postgres/wide.h"

#define BATCH_MAX 4000          /* deliveries of a batch */
#define BATCH_BYTES_MAX 1048576 /* bytes of records and texts of a batch, beside its first */
#define BATCHES_MAX 2           /* without an answer */
#define REPEATS 32              /* batches that may have rows which are there, after one that had */
#define AGAIN_MAX 5             /* attempts of a batch that met another transaction */
#define TIMEOUT_MIN_MS 1000
#define TIMEOUT_MAX_MS 600000
#define TICK_S 5              /* interval of attempts to make the tables */
#define SCHEMA_AGE_MS 60000   /* the tables are read again after this time */
#define SCHEMA_CHECK_MS 10000 /* interval of reading the tables while a column has another type */

/* A batch that was sent, or is to be sent again. */
struct batch {
    struct postgres_sink *sink;
    struct batch *next; /* in `again` */
    enum db_table table;
    bool checked;      /* the tables were read again for it */
    bool repeated;     /* some of its rows may be there already */
    unsigned attempts; /* that met another transaction */
    struct delivery_list deliveries;
};

struct postgres_sink {
    struct fr_sink *handle; /* for calls of `host` */
    const struct fr_host *host;
    struct session *session;
    struct setup setup;
    struct retention retention;
    struct writer writer;
    struct wide wide;
    bool ready;       /* the tables are as needed */
    bool troubled;    /* the server refused the last batch, through no fault of a row */
    unsigned repeats; /* number of the next batches that may have rows which are there already */
    struct delivery_list waiting[TABLES];
    struct batch *again;             /* to be sent before `waiting`; owned */
    struct batch *sent[BATCHES_MAX]; /* without an answer; NULL: free; owned */
    int64_t read_ms;                 /* monotonic: when the tables were read */
    struct event *tick;
};

static void postgres_send(struct postgres_sink *sink);

/* ---- outcomes -------------------------------------------------------------------- */

static void postgres_report_all(struct postgres_sink *sink, struct delivery_list *list,
                                enum fr_outcome outcome)
{
    struct fr_delivery *d;

    while ((d = delivery_list_take(list)) != NULL) {
        d->plugin_data = NULL;
        sink->host->done(sink->handle, d, outcome);
    }
}

static void postgres_return_waiting(struct postgres_sink *sink)
{
    for (int i = 0; i < TABLES; i++)
        postgres_report_all(sink, &sink->waiting[i], FR_RETRY);
    while (sink->again != NULL) {
        struct batch *batch = sink->again;

        sink->again = batch->next;
        postgres_report_all(sink, &batch->deliveries, FR_RETRY);
        free(batch);
    }
}

/* The server accepts nothing at present. */
static void postgres_report_down(struct postgres_sink *sink, const char *text)
{
    sink->host->health(sink->handle, FR_HEALTH_DOWN, "%s: %s", session_address(sink->session),
                       text);
    postgres_return_waiting(sink);
}

static void postgres_report_up(struct postgres_sink *sink)
{
    sink->host->health(sink->handle, FR_HEALTH_UP, "connected to %s",
                       session_address(sink->session));
}

static void postgres_refuse(struct postgres_sink *sink, struct fr_delivery *d,
                            enum fr_outcome outcome, const char *text, const char *remedy)
{
    d->plugin_data = NULL;
    if (d->kind == FR_DELIVERY_FIELD)
        sink->host->fail(sink->handle, d, outcome, "field %.64s: %s%s", d->name, text, remedy);
    else
        sink->host->fail(sink->handle, d, outcome, "record of type %.32s: %s%s", d->record_type,
                         text, remedy);
}

/* ---- answers --------------------------------------------------------------------- */

static void postgres_send_again(struct postgres_sink *sink, struct batch *batch)
{
    batch->next = sink->again;
    sink->again = batch;
}

/* One row of the batch is at fault: divide the batch, or refuse its last delivery. */
static void postgres_divide(struct postgres_sink *sink, struct batch *batch, enum db_fault fault,
                            const char *text, const char *remedy)
{
    struct batch *half;

    if (batch->deliveries.count == 1) {
        postgres_refuse(sink, delivery_list_take(&batch->deliveries),
                        fault == FAULT_ROW ? FR_REFUSED : FR_FAILED, text, remedy);
        free(batch);
        return;
    }
    half = calloc(1, sizeof *half);
    if (half == NULL) {
        postgres_report_all(sink, &batch->deliveries, FR_RETRY);
        free(batch);
        return;
    }
    half->sink = sink;
    half->table = batch->table;
    half->repeated = batch->repeated;
    delivery_list_move(&half->deliveries, &batch->deliveries, batch->deliveries.count / 2);
    postgres_send_again(sink, batch);
    postgres_send_again(sink, half);
}

/* Whether a batch met a row with the same key, and is sent again with ON CONFLICT. */
static bool postgres_is_repeated(struct postgres_sink *sink, struct batch *batch, const char *state)
{
    if (batch->table != TABLE_NARROW || batch->repeated || state == NULL ||
        strcmp(state, DB_STATE_UNIQUE) != 0)
        return false;
    batch->repeated = true;
    sink->repeats = REPEATS;
    sink->troubled = false;
    postgres_send_again(sink, batch);
    return true;
}

static void postgres_failed(struct postgres_sink *sink, struct batch *batch, const PGresult *result)
{
    const char *message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    struct db_error error = db_error_of(state);
    char text[200], why[500];
    bool repeat = (error.fault == FAULT_AGAIN && ++batch->attempts <= AGAIN_MAX) ||
                  (error.fault == FAULT_SCHEMA && !batch->checked);

    if (postgres_is_repeated(sink, batch, state))
        return;
    server_text(message != NULL ? message : "unknown error", text, sizeof text);
    if (error.fault == FAULT_ROW || error.fault == FAULT_UNKNOWN) {
        sink->troubled = false;
        postgres_divide(sink, batch, error.fault, text, error.remedy);
        return;
    }
    if (error.fault == FAULT_SCHEMA) {
        sink->ready = false;
        batch->checked = true;
    }
    if (repeat) {
        postgres_send_again(sink, batch);
        return;
    }
    snprintf(why, sizeof why, "%s%s", text, error.remedy);
    sink->troubled = true;
    postgres_report_all(sink, &batch->deliveries, FR_RETRY);
    postgres_report_down(sink, why);
    free(batch);
}

static void postgres_answered(void *ctx, void *tag, const PGresult *result)
{
    struct batch *batch = tag;
    struct postgres_sink *sink = batch->sink;
    bool recovered = sink->troubled;

    (void)ctx;
    for (int i = 0; i < BATCHES_MAX; i++)
        if (sink->sent[i] == batch)
            sink->sent[i] = NULL;
    if (result == NULL) {
        postgres_report_all(sink, &batch->deliveries, FR_RETRY);
        free(batch);
        sink->troubled = true;
        return;
    }
    if (PQresultStatus(result) == PGRES_COMMAND_OK) {
        sink->troubled = false;
        postgres_report_all(sink, &batch->deliveries, FR_DONE);
        free(batch);
    } else {
        postgres_failed(sink, batch, result);
    }
    if (recovered && !sink->troubled)
        postgres_report_up(sink);
    postgres_send(sink);
}

/* ---- sending --------------------------------------------------------------------- */

/* The field of a delivery that has a value; NULL: the delivery was refused. */
static struct field *postgres_field(struct postgres_sink *sink, struct fr_delivery *d)
{
    const char *why = "";
    struct field *field = fields_find(sink->setup.fields, &sink->setup.schema, d, &why);
    char text[300];

    if (field == NULL) {
        postgres_refuse(sink, d, FR_REFUSED, why, "");
        return NULL;
    }
    if (field->state == FIELD_FOREIGN) {
        if (fr_clock_monotonic_ms() - sink->read_ms > SCHEMA_CHECK_MS)
            sink->ready = false; /* read the tables again */
        snprintf(text, sizeof text,
                 "the column %s has the type %s, and %s is needed (ALTER TABLE, or rename the "
                 "column)",
                 field->foreign->name, field->foreign->type,
                 db_type_name(field_column_type(field)));
        postgres_refuse(sink, d, FR_REFUSED, text, "");
        return NULL;
    }
    if (!db_value_fits(&d->value, field->type)) {
        snprintf(text, sizeof text, "the vehicle sent %s, and the column has the type %s",
                 db_value_kind(&d->value), db_type_name(field_column_type(field)));
        postgres_refuse(sink, d, FR_REFUSED, text, " (use `layout: narrow` to keep such values)");
        return NULL;
    }
    return field;
}

/* Make the statement of a batch for the wide table. Deliveries that do not fit go back to `waiting`.
 * False: nothing of the batch can be sent now. */
static bool postgres_make_wide(struct postgres_sink *sink, struct batch *batch)
{
    struct delivery_list list = batch->deliveries, one = {0};
    struct fr_delivery *d;
    bool missing = false;

    batch->deliveries = (struct delivery_list){0};
    wide_begin(&sink->wide);
    while ((d = delivery_list_take(&list)) != NULL) {
        struct field *field = NULL;

        if (db_has_value(d) && (field = postgres_field(sink, d)) == NULL)
            continue;
        if (field != NULL && field->state == FIELD_MISSING)
            missing = field->wanted = true;
        if (!missing && !wide_add(&sink->wide, d, field)) { /* the batch is full */
            delivery_list_add(&one, d);
            delivery_list_put_back(&list, &one);
            break;
        }
        delivery_list_add(&batch->deliveries, d);
    }
    delivery_list_put_back(&sink->waiting[TABLE_WIDE], &list);
    if (missing)
        delivery_list_put_back(&sink->waiting[TABLE_WIDE], &batch->deliveries);
    return batch->deliveries.count != 0;
}

/* Make the statement of a batch. As postgres_make_wide(). */
static bool postgres_make(struct postgres_sink *sink, struct batch *batch)
{
    bool made;

    if (batch->table == TABLE_WIDE) {
        if (!postgres_make_wide(sink, batch))
            return false;
        made = wide_make(&sink->wide, &sink->writer, &sink->setup.schema.at);
    } else {
        made = writer_make(&sink->writer, &sink->setup.schema.at, batch->table, &batch->deliveries,
                           batch->repeated);
    }
    if (!made)
        postgres_report_all(sink, &batch->deliveries, FR_RETRY);
    return made;
}

/* The part of a delivery's size that a vehicle chooses. */
static size_t postgres_bytes(const struct fr_delivery *d)
{
    bool is_text = d->kind == FR_DELIVERY_FIELD && d->value.kind == FR_VALUE_TEXT;

    return d->kind == FR_DELIVERY_RECORD ? d->len : is_text ? d->value.text.len : 0;
}

/* Move deliveries to a batch, up to its bounds. */
static void postgres_fill(struct batch *batch, struct delivery_list *waiting)
{
    size_t bytes = 0;

    while (waiting->first != NULL && batch->deliveries.count < BATCH_MAX) {
        bytes += postgres_bytes(waiting->first);
        if (batch->deliveries.count != 0 && bytes > BATCH_BYTES_MAX)
            return;
        delivery_list_add(&batch->deliveries, delivery_list_take(waiting));
    }
}

/* The next batch to send; NULL: there is none, or no memory. The caller owns it. */
static struct batch *postgres_next(struct postgres_sink *sink)
{
    struct batch *batch = sink->again;

    if (batch != NULL) {
        sink->again = batch->next;
        return batch;
    }
    for (int i = 0; i < TABLES; i++)
        if (sink->waiting[i].first != NULL) {
            batch = calloc(1, sizeof *batch);
            if (batch == NULL)
                return NULL;
            batch->sink = sink;
            batch->table = (enum db_table)i;
            batch->repeated = sink->repeats != 0;
            sink->repeats -= sink->repeats != 0;
            postgres_fill(batch, &sink->waiting[i]);
            return batch;
        }
    return NULL;
}

/* Add the statement that was made to the next transaction. */
static void postgres_add(const struct writer *w, struct session *session)
{
    static const struct session_value none = {NULL, 0};
    struct session_value values[PARAMETERS_ARRAYS_MAX];

    for (size_t i = 0; i < w->parameters.count; i++) {
        const struct fr_text_buffer *bytes = &w->parameters.arrays[i].bytes;

        values[i] = bytes->bytes != NULL ? (struct session_value){bytes->bytes, bytes->len} : none;
    }
    session_add(session, fr_text_buffer_string(&w->sql), values, w->parameters.count);
}

static void postgres_send_batch(struct postgres_sink *sink, struct batch *batch, int slot)
{
    if (!postgres_make(sink, batch)) {
        free(batch);
        return;
    }
    postgres_add(&sink->writer, sink->session);
    if (session_commit(sink->session, postgres_answered, batch)) {
        sink->sent[slot] = batch;
        return;
    }
    postgres_report_all(sink, &batch->deliveries, FR_RETRY);
    free(batch);
}

/* A slot for a batch that may be sent now; -1: none. */
static int postgres_slot(const struct postgres_sink *sink)
{
    int slot = -1;

    if (!sink->ready || sink->setup.running || !session_is_up(sink->session))
        return -1;
    for (int i = 0; i < BATCHES_MAX; i++) {
        if (sink->sent[i] == NULL)
            slot = i;
        else if (sink->troubled)
            return -1;
    }
    return slot;
}

static void postgres_send(struct postgres_sink *sink)
{
    struct batch *batch;
    int slot;

    while ((slot = postgres_slot(sink)) >= 0 && (batch = postgres_next(sink)) != NULL) {
        postgres_send_batch(sink, batch, slot);
        if (fields_any_wanted(sink->setup.fields)) {
            setup_begin_columns(&sink->setup);
            return;
        }
    }
    if (!sink->ready && !sink->setup.running && session_is_up(sink->session))
        setup_begin(&sink->setup);
}

static void postgres_deliver(void *state, struct fr_delivery *const *batch, size_t count)
{
    struct postgres_sink *sink = state;

    for (size_t k = 0; k < count; k++) {
        struct fr_delivery *d = batch[k];

        if (!session_is_up(sink->session))
            sink->host->done(sink->handle, d, FR_RETRY);
        else if (d->kind == FR_DELIVERY_RECORD && d->format == FR_FORMAT_PROTOBUF)
            postgres_refuse(sink, d, FR_REFUSED, "it is a protobuf message",
                            " (remove `format: protobuf` of its route)");
        else
            delivery_list_add(&sink->waiting[batch_table(d, sink->setup.narrow)], d);
    }
    postgres_send(sink);
}

/* ---- the tables ------------------------------------------------------------------ */

static void postgres_set_up(void *ctx, const char *why, bool away)
{
    struct postgres_sink *sink = ctx;

    sink->read_ms = fr_clock_monotonic_ms();
    if (why != NULL && !away) {
        fields_refuse_asked(sink->setup.fields);
        why = NULL;
    }
    sink->ready = why == NULL;
    if (why != NULL) {
        if (session_is_up(sink->session))
            postgres_report_down(sink, why);
        return;
    }
    if (!sink->troubled) /* otherwise the next answer decides */
        postgres_report_up(sink);
    retention_start(&sink->retention);
    postgres_send(sink);
}

/* ---- events of the session ------------------------------------------------------- */

static void postgres_up(void *ctx)
{
    struct postgres_sink *sink = ctx;

    setup_begin(&sink->setup);
}

static void postgres_lost(void *ctx, const char *why)
{
    struct postgres_sink *sink = ctx;

    sink->ready = false;
    sink->repeats = REPEATS; /* whether the last batches were committed is not known */
    retention_stop(&sink->retention);
    sink->host->health(sink->handle, FR_HEALTH_DOWN, "%s", why);
    postgres_return_waiting(sink);
}

static const struct session_events postgres_events = {postgres_up, postgres_lost};

/* Try again what an administrator may have repaired, and find what one has changed. */
static void postgres_tick(evutil_socket_t fd, short what, void *ctx)
{
    struct postgres_sink *sink = ctx;

    (void)fd, (void)what;
    if (fr_clock_monotonic_ms() - sink->read_ms > SCHEMA_AGE_MS)
        sink->ready = false;
    postgres_send(sink);
}

/* ---- open and close -------------------------------------------------------------- */

static void postgres_check_name(struct fr_sink *sink, const struct fr_host *host,
                                const char *option, size_t max)
{
    const char *name = host->text(sink, option);

    if (strlen(name) > max)
        host->config_error(sink, option, NULL, "%s must have at most %zu bytes", option, max);
    for (const char *c = name; *c != '\0'; c++)
        if ((unsigned char)*c < ' ') {
            host->config_error(sink, option, NULL, "%s must not have control characters", option);
            return;
        }
}

static void postgres_check(struct fr_sink *sink, const struct fr_host *host)
{
    int64_t timeout = host->number(sink, "timeout"), retention = host->number(sink, "retention");
    char why[300];

    if (servers_mistake(host->text(sink, "connection"), why, sizeof why))
        host->config_error(sink, "connection", NULL, "connection: %s", why);
    if (host->text(sink, "schema")[0] == '\0')
        host->config_error(sink, "schema", NULL, "schema must not be empty, such as fleetroute");
    postgres_check_name(sink, host, "schema", DB_NAME_SIZE - 1);
    postgres_check_name(sink, host, "table_prefix", PREFIX_MAX);
    if (timeout < TIMEOUT_MIN_MS || timeout > TIMEOUT_MAX_MS)
        host->config_error(sink, "timeout", NULL, "timeout must be between 1 s and 10 minutes");
    if (retention != 0 && retention < RETENTION_MIN_MS)
        host->config_error(sink, "retention", NULL, "retention must be at least 1 h, or 0");
}

static void postgres_close_instance(void *state)
{
    struct postgres_sink *sink = state;

    session_free(sink->session);
    retention_free(&sink->retention);
    if (sink->tick != NULL)
        event_free(sink->tick);
    for (int i = 0; i < BATCHES_MAX; i++)
        free(sink->sent[i]);
    while (sink->again != NULL) {
        struct batch *batch = sink->again;

        sink->again = batch->next;
        free(batch);
    }
    schema_free(&sink->setup.schema);
    fields_free(sink->setup.fields);
    wide_free(&sink->wide);
    writer_free(&sink->writer);
    free(sink);
}

static bool postgres_start(struct postgres_sink *sink)
{
    static const struct timeval tick = {TICK_S, 0};
    struct event_base *base = sink->host->event_base(sink->handle);

    sink->setup.fields = fields_new();
    sink->tick = event_new(base, -1, EV_PERSIST, postgres_tick, sink);
    sink->session = session_new(sink->handle, sink->host, &postgres_events, sink);
    sink->setup.session = sink->session;
    return sink->setup.fields != NULL && sink->tick != NULL && sink->session != NULL &&
           wide_init(&sink->wide, BATCH_MAX) && event_add(sink->tick, &tick) == 0 &&
           retention_init(&sink->retention, sink->handle, sink->host, sink->session,
                          &sink->setup.schema);
}

static void *postgres_open_instance(struct fr_sink *handle, const struct fr_host *host)
{
    struct postgres_sink *sink = calloc(1, sizeof *sink);

    if (sink == NULL)
        return NULL;
    sink->handle = sink->writer.sink = handle;
    sink->host = sink->writer.host = host;
    sink->setup.schema.at.schema = host->text(handle, "schema");
    sink->setup.schema.at.prefix = host->text(handle, "table_prefix");
    sink->setup.narrow = host->number(handle, "layout") == 1;
    sink->setup.timeout_ms = host->number(handle, "timeout");
    sink->repeats = REPEATS; /* the journal may deliver again what the former process delivered */
    sink->setup.end = postgres_set_up;
    sink->setup.ctx = sink;
    if (!postgres_start(sink)) {
        host->log(handle, FR_LOG_ERROR, "no memory");
        postgres_close_instance(sink);
        return NULL;
    }
    host->health(handle, FR_HEALTH_DEGRADED, "connecting");
    return sink;
}

static const struct fr_option options[] = {
    {"connection", FR_OPTION_TEXT, "dbname=fleetroute", false, NULL,
     "libpq's connection string or URI, without the password"},
    {"password_file", FR_OPTION_TEXT, NULL, false, NULL, "file whose first line is the password"},
    {"schema", FR_OPTION_TEXT, "fleetroute", false, NULL, "schema of the tables"},
    {"table_prefix", FR_OPTION_TEXT, "", false, NULL, "text before the name of each table"},
    {"layout", FR_OPTION_CHOICE, "wide", false, "wide|narrow",
     "wide: a row for each record, a column for each field; narrow: a row for each value"},
    {"retention", FR_OPTION_DURATION, "0", false, NULL, "delete rows older than this; 0: never"},
    {"timeout", FR_OPTION_DURATION, "8 s", false, NULL,
     "time within which the server answers each batch"},
    {0},
};

extern const struct fr_plugin fleetroute_plugin;

const struct fr_plugin fleetroute_plugin = {
    FR_PLUGIN_HEADER,
    .name = "postgres",
    .version = PACKAGE_VERSION,
    .summary = "tables of a PostgreSQL or TimescaleDB server",
    .options = options,
    .format = FR_FORMAT_JSON,
    .check = postgres_check,
    .open = postgres_open_instance,
    .deliver = postgres_deliver,
    .close = postgres_close_instance,
    .gather_ms = 100,
};
