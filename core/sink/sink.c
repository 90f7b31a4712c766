#include "sink/sink.h"

#include <errno.h>
#include <event2/event.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "record/acknowledge.h"
#include "record/field_catalogue.h"
#include "record/json.h"
#include "util/clock.h"
#include "util/log.h"
#include "util/memory.h"

#define TAKE_MOST 256           /* records run through the program at a time */
#define IN_FLIGHT_DEFAULT 10000 /* deliveries a plugin may hold unfinished */
#define LISTENERS_MAX 64
/* At a high rate a sink is woken at most so often; alone, a record is taken at once. */
#define WAKE_INTERVAL_MS 2

/* A record in the sink's hands, until all its deliveries are finished. */
struct item {
    struct fr_record *record;
    uint32_t unfinished;
    bool ack;
    bool refused;
    bool counted; /* stands for an entry of the queue, not for a window that closed */
    struct item *next;
};

struct delivery {
    struct fr_delivery public; /* first: the plugin's pointer is ours */
    struct item *item;
    struct fr_buffer text; /* JSON */
    char name[FR_FIELD_NAME_SIZE];
    struct delivery *next;            /* among spare ones or those to be retried */
    struct delivery *before, *behind; /* among all that are unfinished */
};

struct fr_sink {
    struct fr_sink_settings settings;
    const struct fr_plugin *plugin;
    struct fr_options *options;
    struct fr_diagnostics *diagnostics; /* while options are being checked */
    void *state;
    struct fr_sink_queue *queue;
    struct fr_program *program;
    size_t in_flight_most;

    pthread_t thread;
    bool running;
    struct event_base *base;
    int wake;
    struct event *wake_event, *take_timer, *window_timer, *retry_timer, *after_event;
    _Atomic bool woken;
    _Atomic bool stop, drain;
    int64_t last_take_ms;
    bool take_later;
    pthread_barrier_t opened;
    struct fr_error open_error;

    struct {
        void (*room)(void *ctx);
        void *ctx;
    } listeners[LISTENERS_MAX];
    size_t listener_count;

    size_t in_flight;
    struct fr_delivery **batch;
    size_t batch_count, batch_room;
    struct item *emitting; /* the item whose record runs through the program */
    struct delivery *retry_first, *retry_last;
    int64_t retry_pause_ms;
    struct item *spare_items;
    struct delivery *spare_deliveries;
    struct delivery *unfinished;
    struct fr_buffer json; /* what host->json() returned */
    struct fr_ack_batch acks;
    size_t finished_records, finished_bytes;
    bool after_pending;

    pthread_mutex_t status_lock; /* of health and why, and of counts */
    enum fr_health health;
    char why[256];
    struct fr_program_counts program_counts;
    _Atomic uint64_t taken, delivered, retried, refused, dropped;
};

/* ---- finishing ------------------------------------------------------------------- */

static void schedule_after(struct fr_sink *sink)
{
    if (sink->after_pending)
        return;
    sink->after_pending = true;
    event_active(sink->after_event, EV_TIMEOUT, 1);
}

static void finish_item(struct fr_sink *sink, struct item *item)
{
    if (item->ack)
        fr_record_confirm(item->record, !item->refused, &sink->acks);
    if (item->counted) {
        sink->finished_records++;
        sink->finished_bytes += fr_sink_queue_size(item->record);
    }
    fr_record_unref(item->record);
    item->next = sink->spare_items;
    sink->spare_items = item;
    schedule_after(sink);
}

static void release(struct fr_sink *sink, struct delivery *d)
{
    if (d->text.room > 16384)
        fr_buffer_free(&d->text);
    if (d->before != NULL)
        d->before->behind = d->behind;
    else
        sink->unfinished = d->behind;
    if (d->behind != NULL)
        d->behind->before = d->before;
    d->next = sink->spare_deliveries;
    sink->spare_deliveries = d;
    sink->in_flight--;
}

static void log_refused(struct fr_sink *sink, const struct fr_delivery *d)
{
    static struct fr_log_limit limit;

    fr_log_limited(&limit, FR_LOG_ERROR,
                   "sink %s: a delivery (%s, %zu bytes) is refused for good; its record will not "
                   "be acknowledged by this sink",
                   sink->settings.name, d->record_type, d->len);
}

static void retry_later(struct fr_sink *sink, struct delivery *d)
{
    struct timeval pause;
    int64_t ms;

    d->next = NULL;
    if (sink->retry_first == NULL)
        sink->retry_first = d;
    else
        sink->retry_last->next = d;
    sink->retry_last = d;
    atomic_fetch_add_explicit(&sink->retried, 1, memory_order_relaxed);
    if (event_pending(sink->retry_timer, EV_TIMEOUT, NULL))
        return;
    if (sink->retry_pause_ms < sink->settings.retry_least_ms)
        sink->retry_pause_ms = sink->settings.retry_least_ms;
    /* Up to a quarter more, so that sinks that failed together do not return together. */
    ms = sink->retry_pause_ms + sink->retry_pause_ms * (random() & 0xff) / 1024;
    pause = (struct timeval){ms / 1000, ms % 1000 * 1000};
    event_add(sink->retry_timer, &pause);
    sink->retry_pause_ms *= 2;
    if (sink->retry_pause_ms > sink->settings.retry_most_ms)
        sink->retry_pause_ms = sink->settings.retry_most_ms;
}

static void host_done(struct fr_sink *sink, struct fr_delivery *delivery, enum fr_outcome outcome)
{
    struct delivery *d = (struct delivery *)delivery;
    struct item *item = d->item;

    switch (outcome) {
    case FR_RETRY:
        retry_later(sink, d);
        return;
    case FR_REFUSED:
        atomic_fetch_add_explicit(&sink->refused, 1, memory_order_relaxed);
        log_refused(sink, delivery);
        item->refused = true;
        break;
    case FR_DONE:
    default:
        atomic_store_explicit(&sink->delivered,
                              atomic_load_explicit(&sink->delivered, memory_order_relaxed) + 1,
                              memory_order_relaxed);
        sink->retry_pause_ms = 0;
        break;
    }
    release(sink, d);
    if (--item->unfinished == 0)
        finish_item(sink, item);
}

/* ---- from records to deliveries -------------------------------------------------- */

static struct item *new_item(struct fr_sink *sink, struct fr_record *record, bool ack, bool counted)
{
    struct item *item = sink->spare_items;

    if (item != NULL)
        sink->spare_items = item->next;
    else
        item = fr_calloc(1, sizeof *item);
    *item = (struct item){.record = record, .ack = ack, .counted = counted};
    return item;
}

static struct delivery *new_delivery(struct fr_sink *sink)
{
    struct delivery *d = sink->spare_deliveries;

    if (d != NULL)
        sink->spare_deliveries = d->next;
    else
        d = fr_calloc(1, sizeof *d);
    d->before = NULL;
    d->behind = sink->unfinished;
    if (d->behind != NULL)
        d->behind->before = d;
    sink->unfinished = d;
    sink->in_flight++;
    return d;
}

static void describe(struct delivery *d, const struct fr_emission *emission)
{
    const struct fr_record *record = emission->record;

    d->public = (struct fr_delivery){
        .kind = emission->kind,
        .vin = record->vin,
        .vehicle_name = emission->vehicle_name,
        .record_type = record->topic,
        .txid = record->txid,
        .txid_len = record->txid_len,
        .client_version = record->client_version,
        .created_ms = record->created_ns / 1000000,
        .received_ms = record->received_ms,
        .marks = emission->marks,
        .format = emission->format,
        .field = emission->field,
        .unit = emission->unit,
        .value = emission->value,
    };
}

static void fill_bytes(struct delivery *d, const struct fr_emission *emission)
{
    fr_buffer_clear(&d->text);
    switch (emission->format) {
    case FR_FORMAT_JSON:
        fr_json_record(&d->text, emission->record, emission->vehicle_name, emission->marks, false);
        break;
    case FR_FORMAT_TESLA_JSON:
        if (fr_json_tesla(&d->text, emission->record, false) != 0)
            fr_buffer_text(&d->text, "{}");
        break;
    case FR_FORMAT_DEFAULT:
    case FR_FORMAT_PROTOBUF:
    default:
        d->public.format = FR_FORMAT_PROTOBUF;
        d->public.bytes = emission->record->payload;
        d->public.len = emission->record->payload_len;
        return;
    }
    d->public.bytes = d->text.bytes;
    d->public.len = d->text.len;
}

/* The program emits something: make a delivery of it. */
static void emit(void *ctx, const struct fr_emission *emission)
{
    struct fr_sink *sink = ctx;
    struct item *item = sink->emitting;
    struct delivery *d = new_delivery(sink);

    if (item == NULL) /* a window closed; the record was finished long ago */
        item = new_item(sink, fr_record_ref(emission->record), false, false);
    d->item = item;
    item->unfinished++;
    describe(d, emission);
    if (emission->kind == FR_DELIVERY_RECORD)
        fill_bytes(d, emission);
    else {
        snprintf(d->name, sizeof d->name, "%s", emission->name);
        d->public.name = d->name;
    }
    if (sink->batch_count == sink->batch_room) {
        sink->batch_room = sink->batch_room ? sink->batch_room * 2 : TAKE_MOST;
        sink->batch = fr_realloc(sink->batch, sink->batch_room, sizeof(struct fr_delivery *));
    }
    sink->batch[sink->batch_count++] = &d->public;
}

static void hand_to_plugin(struct fr_sink *sink)
{
    size_t count = sink->batch_count;

    sink->batch_count = 0;
    if (count != 0)
        sink->plugin->deliver(sink->state, sink->batch, count);
}

static void arm_window_timer(struct fr_sink *sink)
{
    int64_t next = fr_program_next_close(sink->program), ms;
    struct timeval pause;

    if (next < 0 || event_pending(sink->window_timer, EV_TIMEOUT, NULL))
        return;
    ms = next - fr_monotonic_ms();
    if (ms < 1)
        ms = 1;
    pause = (struct timeval){ms / 1000, ms % 1000 * 1000};
    event_add(sink->window_timer, &pause);
}

/* Run what waits in the queue through the program, as long as the plugin may be given more. */
static void take(struct fr_sink *sink)
{
    struct fr_sink_entry entries[TAKE_MOST];
    size_t n;

    while (sink->retry_first == NULL && sink->in_flight < sink->in_flight_most &&
           (n = fr_sink_queue_take(sink->queue, entries, TAKE_MOST)) != 0) {
        int64_t now = fr_monotonic_ms(), wall = fr_wall_ms();

        for (size_t i = 0; i < n; i++) {
            struct item *item = new_item(sink, entries[i].record, entries[i].ack, true);

            sink->emitting = item;
            item->unfinished = 1; /* so that it is not finished while it is being taken apart */
            fr_program_run(sink->program, item->record, now, wall, emit, sink);
            if (--item->unfinished == 0)
                finish_item(sink, item); /* nothing of it is for this sink */
        }
        sink->emitting = NULL;
        atomic_fetch_add_explicit(&sink->taken, n, memory_order_relaxed);
        hand_to_plugin(sink);
        arm_window_timer(sink);
    }
    sink->last_take_ms = fr_monotonic_ms();
}

/* ---- events of the thread -------------------------------------------------------- */

static void copy_program_counts(struct fr_sink *sink)
{
    pthread_mutex_lock(&sink->status_lock);
    sink->program_counts = fr_program_counts(sink->program);
    pthread_mutex_unlock(&sink->status_lock);
}

/* Behind whatever finished deliveries: tell vehicles, make room, go on. */
static void after(evutil_socket_t fd, short what, void *ctx)
{
    struct fr_sink *sink = ctx;
    bool room;

    (void)fd, (void)what;
    sink->after_pending = false;
    fr_ack_batch_flush(&sink->acks);
    room = fr_sink_queue_finish(sink->queue, sink->finished_records, sink->finished_bytes);
    sink->finished_records = sink->finished_bytes = 0;
    for (size_t i = 0; room && i < sink->listener_count; i++)
        sink->listeners[i].room(sink->listeners[i].ctx);
    take(sink);
    copy_program_counts(sink);
}

static void close_windows(struct fr_sink *sink, int64_t now)
{
    sink->emitting = NULL;
    fr_program_close_windows(sink->program, now, emit, sink);
    hand_to_plugin(sink);
}

static void window_due(evutil_socket_t fd, short what, void *ctx)
{
    (void)fd, (void)what;
    close_windows(ctx, fr_monotonic_ms());
    arm_window_timer(ctx);
}

static void retry_due(evutil_socket_t fd, short what, void *ctx)
{
    struct fr_sink *sink = ctx;
    struct delivery *d = sink->retry_first;

    (void)fd, (void)what;
    sink->retry_first = sink->retry_last = NULL;
    while (d != NULL) {
        struct delivery *next = d->next;

        if (sink->batch_count == sink->batch_room) {
            sink->batch_room = sink->batch_room ? sink->batch_room * 2 : TAKE_MOST;
            sink->batch = fr_realloc(sink->batch, sink->batch_room, sizeof(struct fr_delivery *));
        }
        sink->batch[sink->batch_count++] = &d->public;
        d = next;
    }
    hand_to_plugin(sink);
    schedule_after(sink);
}

static void take_due(evutil_socket_t fd, short what, void *ctx)
{
    struct fr_sink *sink = ctx;

    (void)fd, (void)what;
    sink->take_later = false;
    atomic_store(&sink->woken, false);
    take(sink);
}

static void drain_now(struct fr_sink *sink)
{
    take(sink);
    close_windows(sink, INT64_MAX / 2); /* all; with room for the windows that this opens */
    if (sink->plugin->flush != NULL)
        sink->plugin->flush(sink->state);
}

static void woken(evutil_socket_t fd, short what, void *ctx)
{
    static const struct timeval pause = {0, WAKE_INTERVAL_MS * 1000};
    struct fr_sink *sink = ctx;
    uint64_t count;

    (void)what;
    if (read(fd, &count, sizeof count) < 0 && errno != EAGAIN)
        fr_log(FR_LOG_ERROR, "sink %s: its eventfd: %s", sink->settings.name, strerror(errno));
    if (atomic_load(&sink->stop)) {
        event_base_loopbreak(sink->base);
        return;
    }
    if (atomic_exchange(&sink->drain, false)) {
        atomic_store(&sink->woken, false);
        drain_now(sink);
        return;
    }
    if (sink->take_later)
        return;
    /* `woken` stays set until the queue is looked at, so nobody wakes us in between. */
    if (fr_monotonic_ms() - sink->last_take_ms < WAKE_INTERVAL_MS) {
        sink->take_later = true;
        event_add(sink->take_timer, &pause);
    } else
        take_due(-1, 0, sink);
}

static void wake_up(struct fr_sink *sink, bool always)
{
    uint64_t one = 1;

    if ((!atomic_exchange(&sink->woken, true) || always) && write(sink->wake, &one, sizeof one) < 0)
        fr_log(FR_LOG_ERROR, "sink %s cannot be woken: %s", sink->settings.name, strerror(errno));
}

/* ---- what the plugin sees -------------------------------------------------------- */

static void host_log(struct fr_sink *sink, enum fr_level level, const char *format, ...)
{
    char prefix[96];
    va_list ap;

    snprintf(prefix, sizeof prefix, "sink %s: ", sink->settings.name);
    va_start(ap, format);
    fr_vlog(level, prefix, format, ap);
    va_end(ap);
}

static void host_health(struct fr_sink *sink, enum fr_health health, const char *format, ...)
{
    static const char *const words[] = {"up", "degraded", "down"};
    enum fr_health before;
    va_list ap;

    pthread_mutex_lock(&sink->status_lock);
    before = sink->health;
    sink->health = health;
    va_start(ap, format);
    vsnprintf(sink->why, sizeof sink->why, format, ap);
    va_end(ap);
    pthread_mutex_unlock(&sink->status_lock);
    if (before != health)
        fr_log(health == FR_HEALTH_UP ? FR_LOG_NOTICE : FR_LOG_WARNING, "sink %s is %s: %s",
               sink->settings.name, words[health], sink->why);
}

static struct event_base *host_event_base(struct fr_sink *sink)
{
    return sink->base;
}

static const char *host_name(struct fr_sink *sink)
{
    return sink->settings.name;
}

static const char *host_text(struct fr_sink *sink, const char *option)
{
    return fr_options_text(sink->options, option);
}

static int64_t host_number(struct fr_sink *sink, const char *option)
{
    return fr_options_number(sink->options, option);
}

static int host_each(struct fr_sink *sink, const char *option,
                     int (*each)(const char *key, const char *text, void *context), void *context)
{
    return fr_options_each(sink->options, option, each, context);
}

static const char *host_json(struct fr_sink *sink, const struct fr_delivery *delivery, size_t *len)
{
    const char *text;

    fr_buffer_clear(&sink->json);
    if (delivery->kind == FR_DELIVERY_FIELD)
        fr_json_field(&sink->json, delivery);
    else if (delivery->format != FR_FORMAT_PROTOBUF)
        fr_buffer_append(&sink->json, delivery->bytes, delivery->len);
    text = fr_buffer_string(&sink->json);
    if (len != NULL)
        *len = sink->json.failed ? 0 : sink->json.len;
    return text;
}

static void host_wrong(struct fr_sink *sink, const char *option, const char *key,
                       const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    if (sink->diagnostics != NULL)
        fr_options_wrong(sink->options, option, key, sink->diagnostics, format, ap);
    else {
        char prefix[96];

        snprintf(prefix, sizeof prefix, "sink %s: option %s: ", sink->settings.name, option);
        fr_vlog(FR_LOG_ERROR, prefix, format, ap);
    }
    va_end(ap);
}

static const struct fr_host host = {
    .log = host_log,
    .done = host_done,
    .health = host_health,
    .event_base = host_event_base,
    .name = host_name,
    .text = host_text,
    .number = host_number,
    .each = host_each,
    .json = host_json,
    .wrong = host_wrong,
};

/* ---- life ------------------------------------------------------------------------ */

struct fr_sink *fr_sink_new(const struct fr_sink_settings *settings, const struct fr_plugin *plugin,
                            struct fr_options *options)
{
    struct fr_sink *sink = fr_calloc(1, sizeof *sink);

    sink->settings = *settings;
    sink->plugin = plugin;
    sink->options = options;
    sink->queue = fr_sink_queue_new(settings->queue_records, settings->queue_bytes);
    sink->in_flight_most = plugin->in_flight != 0 ? plugin->in_flight : IN_FLIGHT_DEFAULT;
    sink->wake = -1;
    pthread_mutex_init(&sink->status_lock, NULL);
    snprintf(sink->why, sizeof sink->why, "nothing to complain of");
    return sink;
}

void fr_sink_check(struct fr_sink *sink, struct fr_diagnostics *diagnostics)
{
    if (sink->plugin->check == NULL)
        return;
    sink->diagnostics = diagnostics;
    sink->plugin->check(sink, &host);
    sink->diagnostics = NULL;
}

void fr_sink_when_room(struct fr_sink *sink, void (*room)(void *ctx), void *ctx)
{
    if (sink->listener_count == LISTENERS_MAX)
        return;
    sink->listeners[sink->listener_count].room = room;
    sink->listeners[sink->listener_count++].ctx = ctx;
}

static void *run(void *ctx)
{
    struct fr_sink *sink = ctx;

    sink->state = sink->plugin->open(sink, &host);
    pthread_barrier_wait(&sink->opened);
    if (sink->state == NULL)
        return NULL;
    event_base_loop(sink->base, EVLOOP_NO_EXIT_ON_EMPTY);
    sink->plugin->close(sink->state);
    fr_ack_batch_flush(&sink->acks);
    return NULL;
}

static struct event *new_event(struct fr_sink *sink, int fd, short what, event_callback_fn call)
{
    return event_new(sink->base, fd, what, call, sink);
}

static int prepare(struct fr_sink *sink, struct fr_error *error)
{
    sink->wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    sink->base = event_base_new();
    if (sink->wake < 0 || sink->base == NULL)
        return fr_error_set(error, "sink %s: cannot make an event base: %s", sink->settings.name,
                            strerror(errno));
    sink->wake_event = new_event(sink, sink->wake, EV_READ | EV_PERSIST, woken);
    sink->take_timer = new_event(sink, -1, 0, take_due);
    sink->window_timer = new_event(sink, -1, 0, window_due);
    sink->retry_timer = new_event(sink, -1, 0, retry_due);
    sink->after_event = new_event(sink, -1, 0, after);
    if (sink->wake_event == NULL || sink->take_timer == NULL || sink->window_timer == NULL ||
        sink->retry_timer == NULL || sink->after_event == NULL ||
        event_add(sink->wake_event, NULL) != 0)
        return fr_error_set(error, "sink %s: cannot set up its events", sink->settings.name);
    return 0;
}

int fr_sink_start(struct fr_sink *sink, const struct fr_routing *routing, size_t place,
                  struct fr_error *error)
{
    if (prepare(sink, error) != 0)
        return -1;
    sink->program = fr_program_new(routing, place,
                                   sink->plugin->format != FR_FORMAT_DEFAULT ? sink->plugin->format
                                                                             : FR_FORMAT_PROTOBUF);
    pthread_barrier_init(&sink->opened, NULL, 2);
    if (pthread_create(&sink->thread, NULL, run, sink) != 0) {
        pthread_barrier_destroy(&sink->opened);
        return fr_error_set(error, "sink %s: cannot start its thread: %s", sink->settings.name,
                            strerror(errno));
    }
    pthread_barrier_wait(&sink->opened);
    pthread_barrier_destroy(&sink->opened);
    if (sink->state == NULL) {
        pthread_join(sink->thread, NULL);
        return fr_error_set(error, "sink %s: plugin %s could not begin; the log says why",
                            sink->settings.name, sink->plugin->name);
    }
    sink->running = true;
    return 0;
}

void fr_sink_offer(struct fr_sink *sink, const struct fr_sink_entry *entries, size_t count)
{
    static struct fr_log_limit limit;
    size_t dropped = fr_sink_queue_put(sink->queue, entries, count);

    if (dropped != 0) {
        atomic_fetch_add_explicit(&sink->dropped, dropped, memory_order_relaxed);
        fr_log_limited(&limit, FR_LOG_WARNING,
                       "sink %s: its queue is full and no acknowledgement waits for it: the oldest "
                       "records are dropped",
                       sink->settings.name);
    }
    wake_up(sink, false);
}

bool fr_sink_full(struct fr_sink *sink)
{
    return fr_sink_queue_full(sink->queue);
}

void fr_sink_drain(struct fr_sink *sink)
{
    atomic_store(&sink->drain, true);
    wake_up(sink, true);
}

bool fr_sink_idle(struct fr_sink *sink)
{
    return fr_sink_queue_records(sink->queue) == 0;
}

void fr_sink_stop(struct fr_sink *sink)
{
    if (!sink->running)
        return;
    atomic_store(&sink->stop, true);
    wake_up(sink, true);
    pthread_join(sink->thread, NULL);
    sink->running = false;
}

static void free_event(struct event *event)
{
    if (event != NULL)
        event_free(event);
}

/* Deliveries that the plugin never answered: their records stay unconfirmed. */
static void abandon_unfinished(struct fr_sink *sink)
{
    while (sink->unfinished != NULL) {
        struct delivery *d = sink->unfinished;
        struct item *item = d->item;

        release(sink, d);
        if (--item->unfinished == 0) {
            fr_record_unref(item->record);
            free(item);
        }
    }
}

static void free_deliveries(struct delivery *d)
{
    while (d != NULL) {
        struct delivery *next = d->next;

        fr_buffer_free(&d->text);
        free(d);
        d = next;
    }
}

void fr_sink_free(struct fr_sink *sink)
{
    if (sink == NULL)
        return;
    free_event(sink->wake_event);
    free_event(sink->take_timer);
    free_event(sink->window_timer);
    free_event(sink->retry_timer);
    free_event(sink->after_event);
    if (sink->base != NULL)
        event_base_free(sink->base);
    if (sink->wake >= 0)
        close(sink->wake);
    abandon_unfinished(sink);
    fr_program_free(sink->program);
    fr_sink_queue_free(sink->queue);
    free_deliveries(sink->spare_deliveries);
    while (sink->spare_items != NULL) {
        struct item *next = sink->spare_items->next;

        free(sink->spare_items);
        sink->spare_items = next;
    }
    free(sink->batch);
    fr_buffer_free(&sink->json);
    pthread_mutex_destroy(&sink->status_lock);
    free(sink);
}

void fr_sink_status(struct fr_sink *sink, struct fr_sink_status *status)
{
    memset(status, 0, sizeof *status);
    status->name = sink->settings.name;
    status->plugin = sink->plugin->name;
    pthread_mutex_lock(&sink->status_lock);
    status->health = sink->health;
    memcpy(status->why, sink->why, sizeof status->why);
    status->program = sink->program_counts;
    pthread_mutex_unlock(&sink->status_lock);
    status->unfinished = fr_sink_queue_records(sink->queue);
    status->unfinished_bytes = fr_sink_queue_bytes(sink->queue);
    status->taken = atomic_load(&sink->taken);
    status->delivered = atomic_load(&sink->delivered);
    status->retried = atomic_load(&sink->retried);
    status->refused = atomic_load(&sink->refused);
    status->dropped = atomic_load(&sink->dropped);
}
