/*
 * topic_window.h - how many bytes of a topic may be on their way at once.
 *
 * librdkafka has one batch size for all topics. A topic that takes less than a batch gets a window
 * instead: no batch can be larger than what is on its way. Other topics keep their full batches.
 */
#ifndef FR_KAFKA_TOPIC_WINDOW_H
#define FR_KAFKA_TOPIC_WINDOW_H

#include <stdbool.h>
#include <stddef.h>

#include "fleetroute/plugin.h"

/* All zero is a window without a limit. One thread's. */
struct topic_window {
    size_t limit;        /* bytes; 0: none */
    size_t bytes, count; /* on their way */
    bool draining;       /* a batch was too large: nothing is sent until all of it is answered */
};

/* What a delivery takes in a batch, at most, in bytes. */
size_t topic_window_cost(const struct fr_delivery *delivery);

/* Whether a record may be sent now. One alone always may. */
bool topic_window_allows(const struct topic_window *window, size_t cost);

/* A record was sent; a record was answered. */
void topic_window_sent(struct topic_window *window, size_t cost);
void topic_window_answered(struct topic_window *window, size_t cost);

/* A batch with this record was too large for the topic; call it after topic_window_answered(). True:
 * other records may have been in the batch, the window is smaller now and the record is sent again
 * when the topic has drained. False: the record was alone, so it is too large itself. */
bool topic_window_shrink(struct topic_window *window, size_t cost);

/* Call it when the result of an answered record was looked at. False: others of the time before the
 * window shrank are on their way. */
bool topic_window_drained(struct topic_window *window);

/* The topic takes batches of so many bytes. */
void topic_window_learn(struct topic_window *window, size_t max_message_bytes);

/* Try twice as much: the topic's limit may have been raised, and it cannot be asked for. */
void topic_window_widen(struct topic_window *window);

#endif
