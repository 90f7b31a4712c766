#include "daemon/control_commands.h"

#include <errno.h>
#include <openssl/pem.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/api_history.h"
#include "daemon/daemon_state.h"
#include "daemon/reload.h"
#include "daemon/status_json.h"
#include "ingest/presence_status.h"
#include "record/field_catalogue.h"
#include "record/json.h"
#include "record/json_tesla.h"
#include "util/clock.h"
#include "util/memory.h"

#define SYNC_MS 3000 /* to wait until the last values include all committed records */

static void command_put_error(struct fr_buffer *out, const char *text)
{
    fr_buffer_clear(out);
    fr_buffer_text(out, "{\"error\":");
    fr_json_string(out, text, strlen(text));
    fr_buffer_byte(out, '}');
}

static void command_status(void *ctx, const char *arguments, struct fr_buffer *out)
{
    (void)arguments;
    fr_daemon_put_status(ctx, out);
}

/* Answer {"pem":"the certificate that is served, and its chain"}. */
static void command_certificate(void *ctx, const char *arguments, struct fr_buffer *out)
{
    const struct fr_daemon *d = ctx;
    STACK_OF(X509) *chain = NULL;
    BIO *bio = BIO_new(BIO_s_mem());
    char *text = NULL;
    long len = 0;

    (void)arguments;
    SSL_CTX_get0_chain_certs(d->setup->tls, &chain);
    if (bio != NULL) {
        PEM_write_bio_X509(bio, SSL_CTX_get0_certificate(d->setup->tls));
        for (int i = 0; i < sk_X509_num(chain); i++)
            PEM_write_bio_X509(bio, sk_X509_value(chain, i));
        len = BIO_get_mem_data(bio, &text);
    }
    fr_buffer_text(out, "{\"pem\":");
    fr_json_string(out, len > 0 ? text : "", len > 0 ? (size_t)len : 0);
    fr_buffer_byte(out, '}');
    BIO_free(bio);
}

static uint64_t command_reload(void *ctx)
{
    return fr_daemon_request_reload(ctx);
}

/* ---- values VIN ------------------------------------------------------------------ */

static void command_put_datum(struct fr_buffer *out, const struct fr_last_value *value,
                              const struct fr_record *record, const struct fr_datum *datum)
{
    char buffer[FR_FIELD_NAME_SIZE];
    const char *name = fr_field_name(value->field, buffer);
    const struct fr_field *field = fr_field_by_number(value->field);

    fr_json_string(out, name, strlen(name));
    fr_buffer_text(out, ":{\"value\":");
    fr_json_value(out, &datum->value);
    if (datum->value.kind == FR_VALUE_INVALID)
        fr_buffer_text(out, ",\"state\":\"invalid\"");
    if (field != NULL && field->unit[0] != '\0') {
        fr_buffer_text(out, ",\"unit\":");
        fr_json_string(out, field->unit, strlen(field->unit));
    }
    fr_buffer_text(out, ",\"created_at\":");
    fr_json_time_ms(out, record->created_ns / 1000000);
    fr_buffer_text(out, ",\"received_at\":");
    fr_json_time_ms(out, value->received_ms);
    fr_buffer_byte(out, '}');
}

static bool command_put_value(void *ctx, const struct fr_last_value *value)
{
    struct fr_buffer *out = ctx;
    struct fr_record *record = fr_values_record(value);
    const struct fr_data *data = record != NULL ? fr_record_data(record) : NULL;

    if (record != NULL && record->type == FR_RECORD_PRESENCE) {
        fr_buffer_text(out, "},\"presence\":");
        if (fr_json_tesla(out, record, false) != 0)
            fr_buffer_text(out, "null");
    } else if (data != NULL && data->count == 1) {
        if (out->len != 0 && out->bytes[out->len - 1] != '{')
            fr_buffer_byte(out, ',');
        command_put_datum(out, value, record, &data->datum[0]);
    }
    if (record != NULL)
        fr_record_unref(record);
    return true;
}

/* Answer {"vin":…,"values":{"Gear":{"value":…},…},"presence":{…}}. fr_values_each() reports the
 * presence last, because its field number is the highest. */
static void command_values(void *ctx, const char *arguments, const _Atomic bool *cancelled,
                           struct fr_buffer *out)
{
    struct fr_daemon *d = ctx;
    struct fr_error error;
    size_t start; /* of the first value in `out` */

    (void)cancelled;

    if (d->values == NULL) {
        command_put_error(
            out,
            "there are no last values: `journal: off` or `values: off` is set; switch both on");
        return;
    }
    fr_values_sync(d->values, SYNC_MS);
    fr_buffer_text(out, "{\"vin\":");
    fr_json_string(out, arguments, strlen(arguments));
    fr_buffer_text(out, ",\"values\":{");
    start = out->len;
    if (fr_values_each(d->values, arguments, command_put_value, out, &error) != 0)
        command_put_error(out, error.text);
    else if (out->len == start)
        command_put_error(out, "there are no last values of this VIN");
    else
        fr_buffer_text(out, strstr(fr_buffer_string(out) + start, "},\"presence\":") ? "}" : "}}");
}

/* ---- history WHAT VIN QUERY ------------------------------------------------------ */

/* Divide "WHAT VIN QUERY" at its spaces. Returns false if a part is missing. */
static bool command_split_history(char *text, char **vin, char **query)
{
    *vin = strchr(text, ' ');
    *query = *vin != NULL ? strchr(*vin + 1, ' ') : NULL;
    if (*query == NULL)
        return false;
    *(*vin)++ = '\0';
    *(*query)++ = '\0';
    return true;
}

/* Answer as described in history/history_query.h. */
static void command_history(void *ctx, const char *arguments, const _Atomic bool *cancelled,
                            struct fr_buffer *out)
{
    struct fr_daemon *d = ctx;
    struct fr_history_request request;
    struct fr_error error;
    enum fr_history_what what;
    char *text = fr_strdup(arguments), *vin, *query;

    if (d->history == NULL)
        command_put_error(out, FR_NO_HISTORY);
    else if (!command_split_history(text, &vin, &query) || !fr_history_what_of(text, &what))
        command_put_error(out, "history needs fields, track, sessions, alerts, connections or "
                               "signals, a VIN, and a query");
    else if (fr_history_request_parse(&request, what, vin, query, fr_wall_ms(), &error) != 0 ||
             fr_history_query(d->history, &request, fr_monotonic_ms() + FR_HISTORY_ANSWER_MS,
                              cancelled, out, &error) != 0)
        command_put_error(out, error.text);
    free(text);
}

/* ---- vehicle VIN ----------------------------------------------------------------- */

/* Answer {"connected":true,"connections":1,"last_ms":…,"records":5}; zeros for a vehicle that was not
 * connected since the daemon started. */
static void command_vehicle(void *ctx, const char *arguments, struct fr_buffer *out)
{
    struct fr_daemon *d = ctx;
    struct fr_ingest *ingest = atomic_load(&d->ingest);
    struct fr_presence_status *list = NULL, vehicle = {0};
    size_t count = 0;

    if (ingest != NULL)
        count = fr_presence_list(fr_ingest_presence(ingest), arguments, &list);
    for (size_t i = 0; list != NULL && i < count; i++)
        if (strcmp(list[i].vin, arguments) == 0)
            vehicle = list[i];
    free(list);
    fr_buffer_printf(out, "{\"connected\":%s,\"connections\":%u,\"last_ms\":%lld,\"records\":%llu}",
                     vehicle.connected ? "true" : "false", vehicle.connections,
                     (long long)vehicle.last_seen_ms, (unsigned long long)vehicle.records);
}

/* ---- rewind SINK SEQ ------------------------------------------------------------- */

/* Check a position; one before the oldest record becomes that of the oldest record. Returns -1 with
 * `error` set if a sink cannot be set to it. */
static int command_rewind_position(struct fr_daemon *d, uint64_t *seq, struct fr_error *error)
{
    struct fr_journal_status s;

    if (d->journal == NULL)
        return fr_error_set(error, "rewind needs a journal; switch `journal:` on");
    fr_journal_status(d->journal, &s);
    return fr_store_position(&s.usage, seq, error);
}

struct fr_sink *fr_daemon_find_sink(const struct fr_daemon *d, const char *name, size_t len)
{
    for (size_t i = 0; i < d->sink_count; i++) {
        const char *other = fr_sink_name(d->setup->sinks[i]);

        if (strlen(other) == len && strncmp(other, name, len) == 0)
            return d->setup->sinks[i];
    }
    return NULL;
}

/* Parse the number after `space`, which is NULL or the last space of the arguments. */
static bool command_parse_position(const char *space, uint64_t *seq)
{
    unsigned long long number;
    char *end;

    if (space == NULL || space[1] < '0' || space[1] > '9')
        return false;
    errno = 0;
    number = strtoull(space + 1, &end, 10);
    *seq = number;
    return *end == '\0' && errno == 0;
}

int fr_daemon_rewind_sink(struct fr_daemon *d, const char *name, size_t len, uint64_t *seq,
                          struct fr_error *error)
{
    struct fr_sink *sink;

    if (command_rewind_position(d, seq, error) != 0)
        return -1;
    sink = fr_daemon_find_sink(d, name, len);
    if (sink == NULL)
        return fr_error_set(error, "there is no sink %.*s", (int)(len < 64 ? len : 64), name);
    if (fr_sink_rewind(sink, *seq))
        return 0;
    return fr_error_set(
        error, d->reloading ? "a reload has not finished: repeat the command when it has"
                            : "the sink does not run; `fleetroute status` reports the cause");
}

/* Answer {"rewound_to":7}, the position that the sink got. */
static void command_rewind_sink(void *ctx, const char *arguments, struct fr_buffer *out)
{
    const char *space = strrchr(arguments, ' ');
    struct fr_error error;
    uint64_t seq;

    if (!command_parse_position(space, &seq))
        command_put_error(out, "rewind needs the name of a sink and a position, a number");
    else if (fr_daemon_rewind_sink(ctx, arguments, (size_t)(space - arguments), &seq, &error) != 0)
        command_put_error(out, error.text);
    else
        fr_buffer_printf(out, "{\"rewound_to\":%llu}", (unsigned long long)seq);
}

static struct fr_replay *command_replay(void *ctx, void (*stored)(void *stored_ctx),
                                        void *stored_ctx)
{
    struct fr_daemon *d = ctx;

    if (d->journal == NULL)
        return NULL;
    return fr_replay_new(d->journal, d->setup->routing, stored, stored_ctx);
}

static const struct fr_control_command commands[] = {
    {"status", .handler = command_status},
    {"certificate", .handler = command_certificate},
    {"values", .job = command_values},
    {"vehicle", .handler = command_vehicle},
    {"rewind", .handler = command_rewind_sink},
    {"history", .job = command_history},
    {.word = NULL},
};

const struct fr_control_commands fr_daemon_control_commands = {
    .commands = commands, .replay = command_replay, .reload = command_reload};
