#include "sink/intake.h"

#include "sink/delivery.h"
#include "sink/in_flight.h"
#include "sink/latest_values.h"
#include "sink/sink_state.h"
#include "util/clock.h"
#include "util/log.h"

#define ROUND_MAX_RECORDS 256   /* records routed before their deliveries are submitted */
#define ROUND_MAX_BYTES 2000000 /* of these records; a record of 1 MB makes up to 6 MB of JSON */
#define MAX_ROUNDS 16           /* in one event of the thread */
#define READ_RETRY_MS 1000      /* after the journal could not be read */
#define GATHER_MAX_MS 1000      /* maximum of fr_plugin.gather_ms */
#define MAX_CLOSED_WINDOWS 1024 /* in one event of the thread */

/* ---- input ----------------------------------------------------------------------- */

/* A callback of fr_cursor_read(). */
static bool intake_wants(void *ctx, enum fr_record_type type, const char *topic)
{
    struct fr_sink *sink = ctx;

    return fr_program_wants(sink->program, type, topic);
}

static void intake_report_read_failure(struct fr_sink *sink, const struct fr_error *error)
{
    static struct fr_log_limit limit;
    struct timeval pause = fr_timeval(READ_RETRY_MS);

    fr_log_limited(&limit, FR_LOG_ERROR,
                   "sink %s: cannot read the journal: %s; the sink tries again in %d ms",
                   sink->settings.name, error->text, READ_RETRY_MS);
    sink->thread.intake_delayed = true;
    event_add(sink->thread.intake_timer, &pause);
}

/* Read the next records that have a route. Returns their number; 0 also after a failure. */
static size_t intake_read_journal(struct fr_sink *sink, struct fr_queue_entry *entries)
{
    struct fr_record *records[ROUND_MAX_RECORDS];
    uint64_t next = sink->input.read_next;
    struct fr_error error;
    int n = 0;

    for (int i = 0; i < MAX_ROUNDS && n == 0 && next < fr_journal_next(sink->env.journal); i++)
        n = fr_cursor_read(sink->input.cursor, &next, records, ROUND_MAX_RECORDS, intake_wants,
                           sink, &error);
    if (n < 0) {
        intake_report_read_failure(sink, &error);
        return 0;
    }
    atomic_store(&sink->input.read_next, next);
    if (n == 0) /* no record in this range has a route */
        atomic_store(&sink->input.run_next, next);
    for (int i = 0; i < n; i++)
        entries[i] = (struct fr_queue_entry){records[i], false};
    return (size_t)n;
}

uint32_t fr_intake_gather_ms(const struct fr_sink *sink)
{
    uint32_t ms = sink->plugin->gather_ms;

    if (sink->input.cursor == NULL)
        return 0;
    return ms < GATHER_MAX_MS ? ms : GATHER_MAX_MS;
}

uint32_t fr_intake_gather_max_ms(const struct fr_sink *sink)
{
    return fr_intake_gather_ms(sink) * 5 / 2;
}

bool fr_intake_caught_up(const struct fr_sink *sink)
{
    return sink->input.cursor == NULL ||
           sink->input.read_next >= fr_journal_next(sink->env.journal);
}

/* Whether another round of records may be received: no delivery waits for a retry, no rewind is
 * pending, the sink is not paused, and no limit is reached. */
static bool intake_may_receive(const struct fr_sink *sink)
{
    size_t active = sink->in_flight.count - sink->latest.waiting;

    if (sink->retry.waiting.first != NULL || active >= sink->in_flight.max ||
        sink->in_flight.bytes >= sink->settings.queue_bytes ||
        atomic_load(&sink->requests.rewind_to) != UINT64_MAX)
        return false;
    return sink->input.cursor == NULL ||
           (!atomic_load(&sink->requests.end) && !atomic_load(&sink->requests.paused) &&
            active < sink->settings.queue_records);
}

static size_t intake_receive(struct fr_sink *sink, struct fr_queue_entry *entries)
{
    return sink->input.cursor != NULL ? intake_read_journal(sink, entries)
                                      : fr_record_queue_take(sink->input.queue, entries,
                                                             ROUND_MAX_RECORDS, ROUND_MAX_BYTES);
}

/* ---- routing --------------------------------------------------------------------- */

struct fr_program_time fr_intake_time(struct fr_sink *sink)
{
    sink->in_flight.now_ms = fr_monotonic_ms();
    return (struct fr_program_time){sink->in_flight.now_ms, fr_wall_ms()};
}

bool fr_intake_may_close_windows(const struct fr_sink *sink)
{
    return sink->retry.waiting.first == NULL && !atomic_load(&sink->requests.paused) &&
           sink->in_flight.count - sink->latest.waiting < sink->in_flight.max;
}

static void intake_route(struct fr_sink *sink, const struct fr_queue_entry *entries, size_t n)
{
    struct fr_program_time time = fr_intake_time(sink);

    for (size_t i = 0; i < n; i++) {
        bool journal = sink->input.cursor != NULL;
        struct item *item = fr_item_new(sink, entries[i].record, entries[i].ack, !journal);

        if (journal) {
            item->record->repeated = item->record->seq < sink->input.repeated_below;
            fr_item_link(sink, item);
        }
        sink->input.current_item = journal ? NULL : item;
        /* One part for this function, so that the item is not complete before the program has
         * emitted its last delivery. */
        item->unfinished = 1;
        fr_program_run(sink->program, item->record, journal ? item : NULL, &time, fr_delivery_emit,
                       sink);
        if (journal)
            fr_item_drop_record(item);
        fr_item_release(sink, item);
    }
    sink->input.current_item = NULL;
    atomic_store(&sink->input.run_next, sink->input.read_next);
    atomic_fetch_add_explicit(&sink->counters.received, n, memory_order_relaxed);
}

void fr_intake_move_cursor(struct fr_sink *sink)
{
    uint64_t position = sink->in_flight.first_item != NULL ? sink->in_flight.first_item->seq
                                                           : sink->input.read_next;

    if (sink->input.cursor != NULL && fr_cursor_position(sink->input.cursor) != position)
        fr_cursor_move(sink->input.cursor, position);
    if (sink->in_flight.count == 0 && fr_intake_caught_up(sink))
        atomic_store_explicit(&sink->health.progress_ms, fr_monotonic_ms(), memory_order_relaxed);
}

void fr_intake_run(struct fr_sink *sink)
{
    struct fr_queue_entry entries[ROUND_MAX_RECORDS];
    uint64_t before = sink->input.read_next;
    int rounds = 0;
    size_t n;

    while (intake_may_receive(sink) && rounds++ < MAX_ROUNDS &&
           (n = intake_receive(sink, entries)) != 0) {
        intake_route(sink, entries, n);
        fr_delivery_submit_batch(sink);
    }
    /* Values wait until all available records have been searched for newer values. */
    if (sink->latest.table != NULL && (fr_intake_caught_up(sink) || !intake_may_receive(sink))) {
        fr_latest_values_add_to_batch(sink);
        fr_delivery_submit_batch(sink);
    }
    fr_intake_move_cursor(sink);
    sink->input.limited = !intake_may_receive(sink);
    sink->input.last_run_ms = fr_monotonic_ms();
    if ((rounds > MAX_ROUNDS || sink->input.read_next != before) && !fr_intake_caught_up(sink) &&
        intake_may_receive(sink))
        event_active(sink->thread.intake_timer, EV_TIMEOUT, 1);
    else if (rounds > MAX_ROUNDS && sink->input.cursor == NULL)
        event_active(sink->thread.intake_timer, EV_TIMEOUT, 1);
}

void fr_intake_submit_values(struct fr_sink *sink)
{
    if (sink->latest.table != NULL)
        fr_latest_values_add_to_batch(sink);
    fr_delivery_submit_batch(sink);
}

void fr_intake_close_windows(struct fr_sink *sink)
{
    struct fr_program_time time = fr_intake_time(sink);

    if (!fr_intake_may_close_windows(sink))
        return;
    sink->input.current_item = NULL;
    fr_program_close_windows(sink->program, &time, MAX_CLOSED_WINDOWS, fr_delivery_emit, sink);
    fr_intake_submit_values(sink);
}

void fr_intake_flush_windows(struct fr_sink *sink)
{
    struct fr_program_time time = fr_intake_time(sink);

    sink->input.current_item = NULL;
    fr_program_flush(sink->program, &time, fr_delivery_emit, sink);
    fr_intake_submit_values(sink);
}
