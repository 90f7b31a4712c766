#include "admin/record_feed.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "record/record_queue.h"
#include "route/tap.h"
#include "util/counters.h"
#include "util/log.h"
#include "util/memory.h"

#define QUEUE_RECORDS 8192
#define QUEUE_BYTES (32u << 20)
#define TAKE_MAX 256
#define PASSES_MAX 4 /* of TAKE_MAX records, before other events run */

struct listener {
    void (*on_record)(void *ctx, struct fr_record *record);
    void *ctx;
    bool on;
};

struct fr_record_feed {
    struct listener listeners[FR_RECORD_FEED_LISTENERS];
    int count;
    struct fr_record_queue *queue;
    int wake_fd; /* eventfd: the queue has records */
    struct event *wake_event;
    _Atomic bool wake_pending; /* wake_fd was written and not yet read */
    _Atomic uint64_t dropped;
};

static void feed_wake_up(struct fr_record_feed *feed)
{
    uint64_t one = 1;

    if (!atomic_exchange(&feed->wake_pending, true) && write(feed->wake_fd, &one, sizeof one) < 0)
        fr_log(FR_LOG_ERROR, "admin: cannot write to the eventfd: %s", strerror(errno));
}

/* A record was received. Runs on the producer's thread; a full queue drops the record. */
static void feed_on_tap(void *ctx, struct fr_record *record)
{
    struct fr_record_feed *feed = ctx;
    struct fr_queue_entry entry = {fr_record_ref(record), false};
    size_t dropped = fr_record_queue_put(feed->queue, &entry, 1);

    fr_count_add(FR_COUNT_TAIL_DROPPED, dropped);
    atomic_fetch_add(&feed->dropped, dropped);
    feed_wake_up(feed);
}

static void feed_pass_on(struct fr_record_feed *feed, struct fr_record *record)
{
    for (int i = 0; i < feed->count; i++)
        if (feed->listeners[i].on)
            feed->listeners[i].on_record(feed->listeners[i].ctx, record);
    fr_record_queue_finish(feed->queue, 1, fr_record_queue_size(record));
    fr_record_unref(record);
}

static void feed_on_wakeup(evutil_socket_t fd, short what, void *ctx)
{
    struct fr_record_feed *feed = ctx;
    struct fr_queue_entry entries[TAKE_MAX];
    uint64_t count;
    size_t n = 1;

    (void)what;
    if (read(fd, &count, sizeof count) < 0 && errno != EAGAIN)
        fr_log(FR_LOG_ERROR, "admin: cannot read the eventfd: %s", strerror(errno));
    atomic_store(&feed->wake_pending, false);
    for (int pass = 0; pass < PASSES_MAX && n != 0; pass++) {
        n = fr_record_queue_take(feed->queue, entries, TAKE_MAX, SIZE_MAX);
        for (size_t i = 0; i < n; i++)
            feed_pass_on(feed, entries[i].record);
    }
    if (n != 0)
        feed_wake_up(feed);
}

struct fr_record_feed *fr_record_feed_new(struct event_base *base, struct fr_error *error)
{
    struct fr_record_feed *feed = fr_calloc(1, sizeof *feed);

    feed->queue = fr_record_queue_new(QUEUE_RECORDS, QUEUE_BYTES);
    feed->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    feed->wake_event = event_new(base, feed->wake_fd, EV_READ | EV_PERSIST, feed_on_wakeup, feed);
    if (feed->wake_fd >= 0 && feed->wake_event != NULL && event_add(feed->wake_event, NULL) == 0) {
        fr_tap_set(feed_on_tap, feed);
        return feed;
    }
    fr_error_set(error, "admin: cannot create its events");
    fr_record_feed_free(feed);
    return NULL;
}

void fr_record_feed_free(struct fr_record_feed *feed)
{
    if (feed == NULL)
        return;
    fr_tap_on(false);
    if (feed->wake_event != NULL)
        event_free(feed->wake_event);
    if (feed->wake_fd >= 0)
        close(feed->wake_fd);
    fr_record_queue_free(feed->queue);
    free(feed);
}

int fr_record_feed_add(struct fr_record_feed *feed,
                       void (*on_record)(void *ctx, struct fr_record *record), void *ctx)
{
    assert(feed->count < FR_RECORD_FEED_LISTENERS);
    feed->listeners[feed->count] = (struct listener){on_record, ctx, false};
    return feed->count++;
}

void fr_record_feed_switch(struct fr_record_feed *feed, int listener, bool on)
{
    bool any = false;

    feed->listeners[listener].on = on;
    for (int i = 0; i < feed->count; i++)
        any = any || feed->listeners[i].on;
    fr_tap_on(any);
}

uint64_t fr_record_feed_dropped(const struct fr_record_feed *feed)
{
    return atomic_load(&feed->dropped);
}
