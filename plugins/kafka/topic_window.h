/*
 * Limits the bytes of a topic that are in flight.
 *
 * librdkafka has one batch size for all topics. A topic whose max.message.bytes is smaller gets a
 * window: a batch cannot be larger than the bytes in flight. Other topics keep their full batches.
 *
 * A window belongs to one thread. All sizes are in bytes.
 */
#ifndef FR_KAFKA_TOPIC_WINDOW_H
#define FR_KAFKA_TOPIC_WINDOW_H

#include <stdbool.h>
#include <stddef.h>

#include "fleetroute/plugin.h"

/* All zero: a window without a limit. */
struct topic_window {
    size_t limit;        /* 0: none */
    size_t bytes, count; /* in flight */
    bool draining;       /* a batch was too large: send nothing until all in flight are reported */
};

/* Upper bound of a delivery's size in a batch. */
size_t topic_window_cost(const struct fr_delivery *delivery);

/* Whether a record of this cost may be sent now. With nothing in flight, any record may. */
bool topic_window_allows(const struct topic_window *window, size_t cost);

/* Count a record that was sent, and one whose delivery report came. */
void topic_window_sent(struct topic_window *window, size_t cost);
void topic_window_reported(struct topic_window *window, size_t cost);

/* A batch with this record was too large for the topic. Call after topic_window_reported(). True:
 * the batch may have had other records; the window is smaller now, and the record must be sent
 * again when the topic has drained. False: the record was alone in its batch and is too large
 * itself. */
bool topic_window_shrink(struct topic_window *window, size_t cost);

/* Call after the result of a reported record was handled. False: records that were sent before the
 * window shrank are still in flight. */
bool topic_window_drained(struct topic_window *window);

/* Set the limit from the topic's max.message.bytes. */
void topic_window_learn(struct topic_window *window, size_t max_message_bytes);

/* Double the limit: the topic's limit may have been raised, and reading it may not be allowed. */
void topic_window_widen(struct topic_window *window);

#endif
