/* What a sink takes: records into the routing program, values out of their windows. */
#include "sink/sink_state.h"
#include "util/clock.h"
#include "util/log.h"

#define TAKE_MOST 256      /* records run through the program at a time */
#define TAKE_BYTES 2000000 /* of these: a record of 1 MB becomes up to 6 MB of JSON */
#define ROUNDS 16          /* of these before other events have their turn */
#define READ_AGAIN_MS 1000 /* after the journal could not be read */
#define CLOSE_MAX 1024     /* windows closed at a time */

/* ---- supply ---------------------------------------------------------------------- */

static bool wanted(void *ctx, enum fr_record_type type, const char *topic)
{
    struct fr_sink *sink = ctx;

    return fr_program_wants(sink->program, type, topic);
}

static void reading_failed(struct fr_sink *sink, const struct fr_error *error)
{
    static struct fr_log_limit limit;
    struct timeval pause = fr_timeval(READ_AGAIN_MS);

    fr_log_limited(&limit, FR_LOG_ERROR, "sink %s: %s; tried again", sink->settings.name,
                   error->text);
    sink->take_later = true;
    event_add(sink->take_timer, &pause);
}

static size_t read_journal(struct fr_sink *sink, struct fr_sink_entry *entries)
{
    struct fr_record *records[TAKE_MOST];
    uint64_t next = sink->read_next;
    struct fr_error error;
    int n = 0;

    for (int i = 0; i < ROUNDS && n == 0 && next < fr_journal_next(sink->house.journal); i++)
        n = fr_cursor_read(sink->cursor, &next, records, TAKE_MOST, wanted, sink, &error);
    if (n < 0) {
        reading_failed(sink, &error);
        return 0;
    }
    atomic_store(&sink->read_next, next);
    if (n == 0) /* no record of these has a route */
        atomic_store(&sink->run_next, next);
    for (int i = 0; i < n; i++)
        entries[i] = (struct fr_sink_entry){records[i], false};
    return (size_t)n;
}

bool fr_sink_caught_up(const struct fr_sink *sink)
{
    return sink->cursor == NULL || sink->read_next >= fr_journal_next(sink->house.journal);
}

static bool may_take(const struct fr_sink *sink)
{
    size_t held = sink->in_flight - sink->waiting;

    if (sink->retry_first != NULL || held >= sink->in_flight_most ||
        sink->in_flight_bytes >= sink->settings.queue_bytes ||
        atomic_load(&sink->rewind_to) != UINT64_MAX)
        return false;
    return sink->cursor == NULL ||
           (!atomic_load(&sink->ending) && held < sink->settings.queue_records);
}

static size_t supply(struct fr_sink *sink, struct fr_sink_entry *entries)
{
    return sink->cursor != NULL ? read_journal(sink, entries)
                                : fr_sink_queue_take(sink->queue, entries, TAKE_MOST, TAKE_BYTES);
}

/* ---- taking ---------------------------------------------------------------------- */

struct fr_program_time fr_sink_time(struct fr_sink *sink)
{
    sink->now_ms = fr_monotonic_ms();
    return (struct fr_program_time){sink->now_ms, fr_wall_ms()};
}

/* Windows may close while nothing waits for another try: what they deliver must not overtake it. */
bool fr_sink_may_close_windows(const struct fr_sink *sink)
{
    return sink->retry_first == NULL && sink->in_flight - sink->waiting < sink->in_flight_most;
}

static void run_through(struct fr_sink *sink, const struct fr_sink_entry *entries, size_t n)
{
    struct fr_program_time time = fr_sink_time(sink);

    for (size_t i = 0; i < n; i++) {
        bool journal = sink->cursor != NULL;
        struct item *item = fr_item_new(sink, entries[i].record, entries[i].ack, !journal);

        if (journal) {
            item->record->repeated = item->record->seq < sink->repeated_below;
            fr_item_link(sink, item);
        }
        sink->emitting = journal ? NULL : item;
        item->unfinished = 1; /* so that it is not finished while it is being taken apart */
        fr_program_run(sink->program, item->record, journal ? item : NULL, &time, fr_delivery_emit,
                       sink);
        if (journal)
            fr_item_drop_record(item);
        fr_item_release(sink, item);
    }
    sink->emitting = NULL;
    atomic_store(&sink->run_next, sink->read_next);
    atomic_fetch_add_explicit(&sink->taken, n, memory_order_relaxed);
}

void fr_sink_move_cursor(struct fr_sink *sink)
{
    uint64_t place = sink->first_item != NULL ? sink->first_item->seq : sink->read_next;

    if (sink->cursor != NULL && fr_cursor_place(sink->cursor) != place)
        fr_cursor_move(sink->cursor, place);
    if (sink->in_flight == 0 && fr_sink_caught_up(sink))
        atomic_store_explicit(&sink->progress_ms, fr_monotonic_ms(), memory_order_relaxed);
}

/* Run what there is through the program, as long as the plugin may be given more. */
void fr_sink_take(struct fr_sink *sink)
{
    struct fr_sink_entry entries[TAKE_MOST];
    uint64_t before = sink->read_next;
    int rounds = 0;
    size_t n;

    while (may_take(sink) && rounds++ < ROUNDS && (n = supply(sink, entries)) != 0) {
        run_through(sink, entries, n);
        fr_deliveries_hand_over(sink);
    }
    /* Values that wait are handed over when all that is there was looked at for newer ones. */
    if (sink->latest != NULL && (fr_sink_caught_up(sink) || !may_take(sink))) {
        fr_latest_hand_over(sink);
        fr_deliveries_hand_over(sink);
    }
    fr_sink_move_cursor(sink);
    sink->last_take_ms = fr_monotonic_ms();
    if ((rounds > ROUNDS || sink->read_next != before) && !fr_sink_caught_up(sink) &&
        may_take(sink))
        event_active(sink->take_timer, EV_TIMEOUT, 1);
    else if (rounds > ROUNDS && sink->cursor == NULL)
        event_active(sink->take_timer, EV_TIMEOUT, 1);
}

void fr_sink_hand_over_values(struct fr_sink *sink)
{
    if (sink->latest != NULL)
        fr_latest_hand_over(sink);
    fr_deliveries_hand_over(sink);
}

/* Close the windows whose time has come. follow_timers comes back to those over the bound. */
void fr_sink_close_windows(struct fr_sink *sink)
{
    struct fr_program_time time = fr_sink_time(sink);

    if (!fr_sink_may_close_windows(sink))
        return;
    sink->emitting = NULL;
    fr_program_close_windows(sink->program, &time, CLOSE_MAX, fr_delivery_emit, sink);
    fr_sink_hand_over_values(sink);
}

/* Deliver the values that wait for their windows now. */
void fr_sink_flush_windows(struct fr_sink *sink)
{
    struct fr_program_time time = fr_sink_time(sink);

    sink->emitting = NULL;
    fr_program_flush(sink->program, &time, fr_delivery_emit, sink);
    fr_sink_hand_over_values(sink);
}
