/*
 * record_messages.h - the messages that one record makes in the topics of Tesla's server, one step
 * at a time (tesla_topics.h lists the topics).
 */
#ifndef FR_RECORD_MESSAGES_H
#define FR_RECORD_MESSAGES_H

#include "mqtt/tesla_topics.h"

struct record_messages;

/* Look at a record. Linear in its size. NULL: no memory. */
struct record_messages *record_messages_new(const struct fr_delivery *delivery);
void record_messages_free(struct record_messages *messages);

/* Publish the next alert (two messages) or error, or the whole record. True: that was all. */
bool record_messages_step(struct record_messages *messages, const struct topics *topics,
                          struct job *job);

#endif
