/*
 * The topics that one connection has subscribed to, each one once. A zeroed set is empty. The creator
 * bounds the set before it adds a topic. A set belongs to one thread.
 */
#ifndef FR_ZMQ_TOPIC_SET_H
#define FR_ZMQ_TOPIC_SET_H

#include <stdbool.h>
#include <stddef.h>

#define TOPIC_SET_LEN_MAX 65535 /* bytes of a topic */

struct topic_set {
    char *list;          /* of each topic two bytes with its length, and its bytes; owned */
    size_t count, bytes; /* topics, and the bytes of all of them */
};

bool topic_set_contains(const struct topic_set *set, const char *topic, size_t len);

/* Add a topic that the set does not contain. False: no memory, or it is too long. */
bool topic_set_add(struct topic_set *set, const char *topic, size_t len);

/* False: the set does not contain the topic. */
bool topic_set_remove(struct topic_set *set, const char *topic, size_t len);

/* Empty the set and free its memory. */
void topic_set_clear(struct topic_set *set);

#endif
