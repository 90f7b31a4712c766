/*
 * record_feed.h - the tap of all records (route/tap.h) in the thread of the event loop.
 *
 * A record goes from the thread that produced it through a bounded queue to the listeners that are
 * on. While none is on, the tap is off and costs nothing.
 *
 * All functions: the thread of the event loop.
 */
#ifndef FR_RECORD_FEED_H
#define FR_RECORD_FEED_H

#include <event2/event.h>
#include <stdbool.h>
#include <stdint.h>

#include "record/record.h"
#include "util/error.h"

#define FR_RECORD_FEED_LISTENERS 4

struct fr_record_feed;

/* Only one may exist, because it receives the tap. Returns NULL with `error` set on failure. */
struct fr_record_feed *fr_record_feed_new(struct event_base *base, struct fr_error *error);

/* No thread may produce records any more. NULL is ignored. */
void fr_record_feed_free(struct fr_record_feed *feed);

/* Add a listener, at most FR_RECORD_FEED_LISTENERS, which is off. on_record() gets each record from
 * now on while it is on, and takes a reference of a record that it stores. Returns its number. */
int fr_record_feed_add(struct fr_record_feed *feed,
                       void (*on_record)(void *ctx, struct fr_record *record), void *ctx);

void fr_record_feed_switch(struct fr_record_feed *feed, int listener, bool on);

/* Records that no listener got because the queue was full, since the start. */
uint64_t fr_record_feed_dropped(const struct fr_record_feed *feed);

#endif
