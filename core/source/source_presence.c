#include "source/source_presence.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "record/presence_origin.h"
#include "record/wire_write.h"
#include "source/presence_merge.h"
#include "util/clock.h"
#include "util/counters.h"
#include "util/log.h"
#include "util/memory.h"

/* The source reports at least this often that it is up to date. A longer interval is an outage of
 * its origin, or this process was stopped; then only this much counts. */
#define UP_TO_DATE_MAX_MS 1000

#define TYPE_PRESENCE "presence"

enum { CONNECTION_ID = 2, STATUS = 3, CREATED_AT = 4, NETWORK_INTERFACE = 5 }; /* fields */
enum { CONNECTED = 1, DISCONNECTED = 2 };                                      /* status */

struct fr_source_presence {
    const char *name;
    struct fr_presence_merge *merge;
    struct fr_submit *made; /* the records made here; they are not counted as the source's */
    bool from_connectivity;
    int64_t up_to_date_ms; /* monotonic time of the last report; 0: none */
};

/* The fields of a message VehicleConnectivity that are used; they point into the record. */
struct presence_message {
    const uint8_t *connection_id, *network_interface;
    size_t connection_id_len, network_interface_len;
    uint64_t status;
};

static void presence_stored(void *ctx, size_t count)
{
    (void)ctx, (void)count;
}

struct fr_source_presence *fr_source_presence_new(const char *name, struct fr_journal *journal,
                                                  struct fr_routing *routing, int64_t hold_ms,
                                                  bool from_connectivity)
{
    struct fr_source_presence *p = fr_calloc(1, sizeof *p);

    p->name = name;
    p->merge = fr_presence_merge_new(hold_ms, FR_MERGE_VEHICLES_MAX);
    p->made = fr_submit_new(journal, routing, false, presence_stored, NULL);
    p->from_connectivity = from_connectivity;
    return p;
}

void fr_source_presence_free(struct fr_source_presence *p)
{
    if (p == NULL)
        return;
    fr_submit_free(p->made);
    fr_presence_merge_free(p->merge);
    free(p);
}

void fr_source_presence_set_routing(struct fr_source_presence *p, struct fr_routing *routing)
{
    fr_submit_set_routing(p->made, routing);
}

static struct presence_message presence_read(const struct fr_record *record)
{
    struct presence_message message = {0};
    struct fr_wire wire = fr_wire_over(record->payload, record->payload_len);
    struct fr_wire_field f = {0};

    while (fr_wire_next(&wire, &f) > 0) {
        if (f.type == FR_WIRE_VARINT && f.number == STATUS) {
            message.status = f.varint;
        } else if (f.type == FR_WIRE_BYTES && f.number == CONNECTION_ID) {
            message.connection_id = f.bytes;
            message.connection_id_len = f.len;
        } else if (f.type == FR_WIRE_BYTES && f.number == NETWORK_INTERFACE) {
            message.network_interface = f.bytes;
            message.network_interface_len = f.len;
        }
    }
    return message;
}

/* Make a presence record and put it into the journal. Its txid names no front-end: a consumer of this
 * daemon's records does not merge it again. */
static void presence_publish(struct fr_source_presence *p, const char *vin,
                             const struct presence_message *message, int64_t created_ns)
{
    struct fr_buffer payload = {0};
    char txid[48];
    struct fr_submission s = {.size = sizeof s,
                              .vin = vin,
                              .vin_len = strlen(vin),
                              .record_type = TYPE_PRESENCE,
                              .record_type_len = strlen(TYPE_PRESENCE),
                              .txid = txid,
                              .client_version = "",
                              .format = FR_FORMAT_PROTOBUF};
    struct fr_record *record;
    struct fr_error unused;

    snprintf(txid, sizeof txid, "%s-%lld", message->status == CONNECTED ? "connected" : "away",
             (long long)created_ns);
    s.txid_len = strlen(txid);
    fr_put_bytes(&payload, CONNECTION_ID, message->connection_id, message->connection_id_len);
    fr_put_number(&payload, STATUS, message->status);
    fr_put_time(&payload, CREATED_AT, created_ns);
    fr_put_bytes(&payload, NETWORK_INTERFACE, message->network_interface,
                 message->network_interface_len);
    s.bytes = payload.bytes;
    s.len = payload.len;
    record = fr_submit_make_record(p->made, &s, &unused);
    if (record != NULL) { /* NULL: the vehicle is no longer listed, or no memory */
        fr_submit_add(p->made, record);
        fr_submit_flush(p->made);
    }
    fr_buffer_free(&payload);
}

/* Publish that no front-end has the vehicle. */
static bool presence_publish_away(void *ctx, const char *vin, int64_t created_ns, bool expired)
{
    struct fr_source_presence *p = ctx;
    const struct presence_message message = {.status = DISCONNECTED};

    if (!fr_submit_has_capacity(p->made))
        return false;
    if (expired)
        fr_count(FR_COUNT_PRESENCE_EXPIRED);
    presence_publish(p, vin, &message, created_ns);
    return true;
}

/* ---- statements ------------------------------------------------------------------ */

static void presence_report_shared_name(struct fr_source_presence *p, const char *front_end)
{
    static struct fr_log_limit limit;

    fr_log_limited(&limit, FR_LOG_WARNING,
                   "source %s: two instances of the front-end %s send presence records in turn: "
                   "set a different `front_end: name:` in each daemon, because a connected vehicle "
                   "may be reported as away (a clock that was set back has the same effect)",
                   p->name, front_end);
}

static void presence_report_full(struct fr_source_presence *p)
{
    static struct fr_log_limit limit;

    fr_count(FR_COUNT_PRESENCE_UNMERGED);
    fr_log_limited(&limit, FR_LOG_WARNING,
                   "source %s: more than %d vehicles: the presence of further ones is not merged "
                   "over front-ends; add a consumer to the group",
                   p->name, FR_MERGE_VEHICLES_MAX);
}

/* Enter a statement and publish what follows from it at once. */
static void presence_enter(struct fr_source_presence *p, const struct fr_record *record,
                           const struct presence_message *message,
                           const struct fr_merge_statement *statement)
{
    struct fr_merge_result result;
    enum fr_merge_verdict verdict = fr_presence_merge_state(p->merge, statement, &result);

    if (verdict == FR_MERGE_FULL)
        presence_report_full(p);
    if (verdict == FR_MERGE_CONNECTED || (verdict == FR_MERGE_FULL && !statement->history))
        presence_publish(p, record->vin, message, result.created_ns);
    if (verdict == FR_MERGE_SUPPRESSED && !statement->history)
        fr_count(FR_COUNT_PRESENCE_SUPPRESSED);
    if (result.older_instance && statement->lease_ms != 0 && !statement->history)
        presence_report_shared_name(p, statement->claimant);
}

/* Fill in the statement that the record makes. `origin` is NULL for Tesla's server: its connection
 * is the claimant, and the end of a connection comes after its begin. False: there is none. */
static bool presence_statement(const struct fr_record *record,
                               const struct fr_presence_origin *origin,
                               const struct presence_message *message,
                               struct fr_merge_statement *statement)
{
    if (message->status != CONNECTED && message->status != DISCONNECTED)
        return false;
    statement->vin = record->vin;
    statement->connected = message->status == CONNECTED;
    statement->created_ns = fr_record_time_ns(record);
    if (origin == NULL) {
        statement->claimant = (const char *)message->connection_id;
        statement->claimant_len = message->connection_id_len;
        statement->sequence = message->status;
    } else {
        statement->claimant = origin->front_end;
        statement->claimant_len = strlen(origin->front_end);
        statement->instance = origin->instance;
        statement->sequence = origin->sequence;
        statement->lease_ms = origin->lease_ms;
    }
    return true;
}

static bool presence_is_type(const struct fr_submission *s, const char *type)
{
    return s->record_type_len == strlen(type) &&
           memcmp(s->record_type, type, s->record_type_len) == 0;
}

/* Whether the submission is a statement; `origin` is read if it has one. */
static bool presence_is_statement(const struct fr_source_presence *p, const struct fr_submission *s,
                                  struct fr_presence_origin *origin)
{
    if (presence_is_type(s, TYPE_PRESENCE))
        return fr_presence_origin_read(s->txid, s->txid_len, origin);
    return p->from_connectivity && presence_is_type(s, "connectivity") &&
           !fr_presence_origin_read(s->txid, s->txid_len, origin);
}

enum fr_submitted fr_source_presence_submit(struct fr_source_presence *p, struct fr_submit *submit,
                                            const struct fr_submission *s, struct fr_error *error)
{
    bool history = (s->flags & FR_SUBMISSION_HISTORY) != 0;
    bool is_presence = presence_is_type(s, TYPE_PRESENCE);
    struct fr_merge_statement statement = {.part = s->part, .history = history};
    struct presence_message message;
    struct fr_presence_origin origin;
    struct fr_record *record;

    error->text[0] = '\0';
    if (!presence_is_statement(p, s, &origin))
        return history ? FR_SUBMIT_REJECTED : fr_submit_record(submit, s, error);
    if (!fr_submit_has_capacity(submit))
        return FR_SUBMIT_AGAIN;
    record = fr_submit_make_record(submit, s, error);
    if (record == NULL)
        return FR_SUBMIT_REJECTED;
    if (!is_presence && !history) {
        fr_submit_add(submit, fr_record_ref(record));
        fr_submit_flush(submit); /* the vehicle's records keep their order */
    }
    message = presence_read(record);
    if (presence_statement(record, is_presence ? &origin : NULL, &message, &statement))
        presence_enter(p, record, &message, &statement);
    fr_record_unref(record);
    return is_presence || history ? FR_SUBMIT_REJECTED : FR_SUBMITTED;
}

/* ---- time and parts -------------------------------------------------------------- */

void fr_source_presence_up_to_date(struct fr_source_presence *p, int64_t now_ms)
{
    int64_t elapsed_ms = p->up_to_date_ms != 0 ? now_ms - p->up_to_date_ms : 0;

    p->up_to_date_ms = now_ms;
    fr_presence_merge_advance(p->merge,
                              elapsed_ms < UP_TO_DATE_MAX_MS ? elapsed_ms : UP_TO_DATE_MAX_MS,
                              fr_wall_ns(), presence_publish_away, p);
}

void fr_source_presence_drop_part(struct fr_source_presence *p, uint32_t part)
{
    fr_presence_merge_drop_part(p->merge, part);
}
