#include "daemon/api_vehicles.h"

#include <stdlib.h>
#include <string.h>

#include "admin/http_query.h"
#include "config/routing_config.h"
#include "daemon/api_answer.h"
#include "daemon/api_values.h"
#include "daemon/daemon_state.h"
#include "ingest/presence_status.h"
#include "record/json.h"
#include "util/clock.h"
#include "util/memory.h"
#include "util/redact.h"

#define LIMIT_DEFAULT 50
#define FIND_SIZE 128
#define WORD_SIZE 16

/* What the thread of the jobs uses of the daemon. */
struct vehicles_context {
    struct fr_presence *presence;    /* NULL: vehicles are not served yet */
    struct fr_values *values;        /* NULL: none are kept */
    struct fr_history *history;      /* NULL: off */
    struct fr_routing *routing;      /* one reference */
    int64_t start_ms;                /* wall clock: of the daemon */
    const struct fr_vehicle **names; /* the vehicles of the routing, by VIN; made when needed */
};

void *fr_api_vehicles_prepare(void *daemon)
{
    struct fr_daemon *d = daemon;
    struct fr_ingest *ingest = atomic_load(&d->ingest);
    struct vehicles_context *ctx = fr_calloc(1, sizeof *ctx);

    *ctx = (struct vehicles_context){
        .presence = ingest != NULL ? fr_ingest_presence(ingest) : NULL,
        .values = d->values,
        .history = d->history,
        .routing = fr_routing_ref(d->setup->routing),
        .start_ms = fr_wall_ms() - (fr_monotonic_ms() - d->start_ms),
    };
    return ctx;
}

void fr_api_vehicles_release(void *job_ctx)
{
    struct vehicles_context *ctx = job_ctx;

    fr_routing_unref(ctx->routing);
    free(ctx->names);
    free(ctx);
}

/* ---- names ----------------------------------------------------------------------- */

static int vehicles_compare_names(const void *a, const void *b)
{
    const struct fr_vehicle *const *left = a, *const *right = b;

    return strcmp((*left)->vin, (*right)->vin);
}

static int vehicles_compare_vin(const void *vin, const void *vehicle)
{
    const struct fr_vehicle *const *v = vehicle;

    return strcmp(vin, (*v)->vin);
}

/* The name of a vehicle in the routing; "": it has none. */
static const char *vehicles_name(struct vehicles_context *ctx, const char *vin)
{
    size_t count = ctx->routing->vehicle_count;
    const struct fr_vehicle *const *found;

    if (count == 0)
        return "";
    if (ctx->names == NULL) {
        ctx->names = fr_calloc(count, sizeof *ctx->names);
        for (size_t i = 0; i < count; i++)
            ctx->names[i] = &ctx->routing->vehicles[i];
        qsort(ctx->names, count, sizeof *ctx->names, vehicles_compare_names);
    }
    found = bsearch(vin, ctx->names, count, sizeof *ctx->names, vehicles_compare_vin);
    return found != NULL && (*found)->name != NULL ? (*found)->name : "";
}

/* ---- the query ------------------------------------------------------------------- */

enum vehicles_state { ANY, CONNECTED, DISCONNECTED, SILENT, MISBEHAVING, STATES };
enum vehicles_key { LAST_SEEN, VIN, NAME, RECORDS, FAULTS, STATE, KEYS };

static const char *const state_words[STATES] = {"", "connected", "disconnected", "silent",
                                                "misbehaving"};
static const char *const key_words[KEYS] = {"last_seen", "vin",    "name",
                                            "records",   "faults", "state"};

struct vehicles_query {
    char find[FIND_SIZE];
    int state, key;
    bool descending;
    int64_t offset, limit;
    int64_t now_ms;
};

/* Read a parameter that is one of `words`; absent: `standard`. Returns false if it is none. */
static bool vehicles_read_word(const char *query, const char *key, const char *const *words,
                               int count, int standard, int *index)
{
    char text[WORD_SIZE];

    *index = standard;
    if (fr_http_query_text(query, key, text, sizeof text) == FR_HTTP_MALFORMED)
        return false;
    for (int i = 0; i < count && text[0] != '\0'; i++)
        if (strcmp(words[i], text) == 0) {
            *index = i;
            return true;
        }
    return text[0] == '\0';
}

/* Returns NULL, or the mistake. */
static const char *vehicles_read_query(const char *query, struct vehicles_query *q)
{
    static const char *const orders[] = {"asc", "desc"};
    int order;

    q->now_ms = fr_wall_ms();
    if (fr_http_query_text(query, "find", q->find, sizeof q->find) == FR_HTTP_MALFORMED)
        return "find: a text of at most 127 bytes in UTF-8 without control characters is possible";
    if (!vehicles_read_word(query, "state", state_words, STATES, ANY, &q->state))
        return "state: connected, disconnected, silent and misbehaving are possible";
    if (!vehicles_read_word(query, "sort", key_words, KEYS, STATE, &q->key))
        return "sort: last_seen, vin, name, records, faults and state are possible";
    /* By default what is of interest is first: the newest, the most. */
    if (!vehicles_read_word(query, "order", orders, 2,
                            q->key == LAST_SEEN || q->key == RECORDS || q->key == FAULTS, &order))
        return "order: asc and desc are possible";
    q->descending = order == 1;
    if (!fr_http_query_number(query, "offset", 0, 10000000, 0, &q->offset))
        return "offset: a number from 0 to 10000000 is possible";
    if (!fr_http_query_number(query, "limit", 0, FR_API_LIMIT_MAX, LIMIT_DEFAULT, &q->limit))
        return "limit: a number from 0 to 1000 is possible";
    return NULL;
}

/* ---- the list -------------------------------------------------------------------- */

struct vehicles_row {
    const struct fr_presence_status *status;
    const char *name;
};

/* A vehicle that has just connected is not silent: it slept, and its last record is old. */
static bool vehicles_is_silent(const struct fr_presence_status *s, int64_t now_ms)
{
    return s->connected && now_ms - s->last_seen_ms >= FR_API_SILENT_MS &&
           fr_monotonic_ms() - s->connected_ms >= FR_API_SILENT_MS;
}

static bool vehicles_is_misbehaving(const struct fr_presence_status *s, int64_t now_ms)
{
    return s->last_fault_ms != 0 && now_ms - s->last_fault_ms < FR_API_MISBEHAVING_MS;
}

static bool vehicles_matches(const struct vehicles_query *q, const struct vehicles_row *row)
{
    char buffer[FR_REDACTED_VIN_SIZE];
    const struct fr_presence_status *s = row->status;

    switch (q->state) {
    case CONNECTED:
        if (!s->connected)
            return false;
        break;
    case DISCONNECTED:
        if (s->connected)
            return false;
        break;
    case SILENT:
        if (!vehicles_is_silent(s, q->now_ms))
            return false;
        break;
    case MISBEHAVING:
        if (!vehicles_is_misbehaving(s, q->now_ms))
            return false;
        break;
    default:
        break;
    }
    return q->find[0] == '\0' || strcasestr(fr_display_vin(s->vin, buffer), q->find) != NULL ||
           strcasestr(row->name, q->find) != NULL;
}

static int vehicles_compare_numbers(uint64_t a, uint64_t b)
{
    return a < b ? -1 : a > b;
}

/* Vehicles without a name are behind the others. Equal vehicles are in the order of their VINs. */
static int vehicles_compare(const void *a, const void *b, void *ctx)
{
    const struct vehicles_query *q = ctx;
    const struct vehicles_row *left = a, *right = b;
    const struct fr_presence_status *l = left->status, *r = right->status;
    int order = 0;

    switch (q->key) {
    case LAST_SEEN:
        order = vehicles_compare_numbers((uint64_t)l->last_seen_ms, (uint64_t)r->last_seen_ms);
        break;
    case NAME:
        if ((left->name[0] == '\0') != (right->name[0] == '\0'))
            return left->name[0] == '\0' ? 1 : -1;
        order = strcasecmp(left->name, right->name);
        break;
    case RECORDS:
        order = vehicles_compare_numbers(l->records, r->records);
        break;
    case FAULTS:
        order = vehicles_compare_numbers(l->faults, r->faults);
        break;
    case STATE: /* connected first, then the most recently seen */
        if (l->connected != r->connected)
            order = l->connected ? -1 : 1;
        else if (!l->connected)
            order = vehicles_compare_numbers((uint64_t)r->last_seen_ms, (uint64_t)l->last_seen_ms);
        break;
    default:
        order = strcmp(l->vin, r->vin);
        break;
    }
    if (order == 0)
        return strcmp(l->vin, r->vin);
    return q->descending ? -order : order;
}

static void vehicles_put_status(struct fr_buffer *out, const struct fr_presence_status *s,
                                const char *name, int64_t now_ms)
{
    char buffer[FR_REDACTED_VIN_SIZE];
    const char *vin = fr_display_vin(s->vin, buffer);

    fr_buffer_text(out, "\"vin\":");
    fr_json_string(out, vin, strlen(vin));
    if (name[0] != '\0') {
        fr_buffer_text(out, ",\"name\":");
        fr_json_string(out, name, strlen(name));
    }
    fr_buffer_printf(out,
                     ",\"connected\":%s,\"connections\":%u,\"last_ms\":%lld,\"records\":%llu,"
                     "\"faults\":%llu,\"last_fault_ms\":%lld,\"silent\":%s,\"misbehaving\":%s",
                     s->connected ? "true" : "false", s->connections, (long long)s->last_seen_ms,
                     (unsigned long long)s->records, (unsigned long long)s->faults,
                     (long long)s->last_fault_ms, vehicles_is_silent(s, now_ms) ? "true" : "false",
                     vehicles_is_misbehaving(s, now_ms) ? "true" : "false");
    if (s->peer[0] != '\0') {
        fr_buffer_text(out, ",\"address\":");
        fr_json_string(out, s->peer, strlen(s->peer));
    }
}

static void vehicles_put_page(struct fr_buffer *out, const struct vehicles_query *q,
                              const struct vehicles_row *rows, size_t found)
{
    size_t first = (uint64_t)q->offset < found ? (size_t)q->offset : found;
    size_t end = found - first < (size_t)q->limit ? found : first + (size_t)q->limit;

    fr_buffer_text(out, ",\"vehicles\":[");
    for (size_t i = first; i < end; i++) {
        fr_buffer_text(out, i == first ? "{" : ",{");
        vehicles_put_status(out, rows[i].status, rows[i].name, q->now_ms);
        fr_buffer_byte(out, '}');
    }
    fr_buffer_text(out, "]}");
}

/* Keep the rows that match; returns their number. */
static size_t vehicles_select(struct vehicles_context *ctx, const struct vehicles_query *q,
                              const struct fr_presence_status *list, size_t count,
                              struct vehicles_row *rows, struct fr_buffer *out)
{
    size_t found = 0, counts[STATES] = {0};

    for (size_t i = 0; i < count; i++) {
        const struct fr_presence_status *s = &list[i];

        rows[found] = (struct vehicles_row){s, vehicles_name(ctx, s->vin)};
        counts[s->connected ? CONNECTED : DISCONNECTED]++;
        counts[SILENT] += vehicles_is_silent(s, q->now_ms);
        counts[MISBEHAVING] += vehicles_is_misbehaving(s, q->now_ms);
        found += vehicles_matches(q, &rows[found]);
    }
    fr_buffer_printf(out,
                     "{\"now_ms\":%lld,\"found\":%zu,\"offset\":%lld,\"known\":%zu,"
                     "\"connected\":%zu,\"disconnected\":%zu,\"silent\":%zu,\"misbehaving\":%zu",
                     (long long)q->now_ms, found, (long long)q->offset, count, counts[CONNECTED],
                     counts[DISCONNECTED], counts[SILENT], counts[MISBEHAVING]);
    return found;
}

int fr_api_vehicles_list(void *job_ctx, const struct fr_http_call *call, struct fr_buffer *out)
{
    struct vehicles_context *ctx = job_ctx;
    struct fr_presence_status *list = NULL;
    struct vehicles_query q;
    struct vehicles_row *rows;
    const char *mistake = vehicles_read_query(call->query, &q);
    size_t count = 0, found;

    if (mistake != NULL)
        return fr_api_refuse(out, 400, mistake);
    if (ctx->presence != NULL) {
        count = fr_presence_list_all(ctx->presence, &list);
        if (list == NULL)
            return fr_api_refuse(out, 503, "out of memory");
    }
    rows = malloc((count + 1) * sizeof *rows);
    if (rows == NULL) {
        free(list);
        return fr_api_refuse(out, 503, "out of memory");
    }
    found = vehicles_select(ctx, &q, list, count, rows, out);
    qsort_r(rows, found, sizeof *rows, vehicles_compare, &q);
    vehicles_put_page(out, &q, rows, found);
    free(rows);
    free(list);
    return 200;
}

/* ---- one vehicle ----------------------------------------------------------------- */

/* Whether a text names the vehicle: by its VIN, or as it is displayed. */
static bool vehicles_is_named(const char *vin, const char *text)
{
    char buffer[FR_REDACTED_VIN_SIZE];

    return strcmp(vin, text) == 0 || strcmp(fr_display_vin(vin, buffer), text) == 0;
}

/* Returns whether the vehicle is in the table of presence. Without redaction the text is the VIN. */
static bool vehicles_find(struct vehicles_context *ctx, const char *text,
                          struct fr_presence_status *status)
{
    struct fr_presence_status *list = NULL;
    size_t count;
    bool found = false;

    *status = (struct fr_presence_status){0};
    if (ctx->presence == NULL)
        return false;
    if (!fr_redacting())
        return fr_presence_find(ctx->presence, text, status);
    count = fr_presence_list_all(ctx->presence, &list);
    for (size_t i = 0; list != NULL && i < count && !found; i++)
        if (vehicles_is_named(list[i].vin, text)) {
            *status = list[i];
            found = true;
        }
    free(list);
    return found;
}

int fr_api_vehicle(void *job_ctx, const struct fr_http_call *call, struct fr_buffer *out)
{
    struct vehicles_context *ctx = job_ctx;
    struct fr_presence_status status;
    struct fr_error error;
    bool known = strlen(call->segment) <= FR_VIN_MAX && vehicles_find(ctx, call->segment, &status);
    int64_t now_ms = fr_wall_ms();
    int values;

    if (strlen(call->segment) > FR_VIN_MAX)
        return fr_api_refuse(out, 404, "there is no such vehicle");
    if (!known)
        memcpy(status.vin, call->segment, strlen(call->segment) + 1);
    fr_buffer_printf(out, "{\"now_ms\":%lld,", (long long)now_ms);
    vehicles_put_status(out, &status, vehicles_name(ctx, status.vin), now_ms);
    values = fr_api_put_values(out, ctx->values, status.vin, ctx->start_ms, now_ms, &error);
    fr_buffer_byte(out, '}');
    if (values < 0)
        return fr_api_refuse(out, 503, error.text);
    if (!known && values == 0)
        return fr_api_refuse(out, 404, "there is no such vehicle");
    return 200;
}

bool fr_api_vehicle_vin(void *job_ctx, const char *text, char vin[FR_VIN_MAX + 1])
{
    struct fr_presence_status status;

    if (strlen(text) > FR_VIN_MAX || !vehicles_find(job_ctx, text, &status))
        return false;
    memcpy(vin, status.vin, sizeof status.vin);
    return true;
}

struct fr_history *fr_api_vehicles_history(const void *job_ctx)
{
    const struct vehicles_context *ctx = job_ctx;

    return ctx->history;
}
