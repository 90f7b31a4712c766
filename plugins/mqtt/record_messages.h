/*
 * Publishes one record to the topics of Tesla's server (tesla_topics.h), in several steps: for the
 * layouts homeassistant and values, and in the layout tesla for records that Tesla's server does not
 * publish. Alerts, errors and connectivity have the members of Tesla's payloads; those without
 * content are null or empty. All functions run on the sink's thread.
 */
#ifndef FR_RECORD_MESSAGES_H
#define FR_RECORD_MESSAGES_H

#include <jansson.h>

#include "mqtt/tesla_topics.h"

struct record_messages;

/* Parse a record, in time linear in its size. The delivery must outlive the result. NULL: no
 * memory. */
struct record_messages *record_messages_new(const struct fr_delivery *delivery);
/* The alerts of a record in fleetroute's JSON, valid as long as the messages; NULL: another record.
 */
const json_t *record_messages_alerts(const struct record_messages *messages);
/* NULL is allowed. */
void record_messages_free(struct record_messages *messages);

/* Publish the alerts of one name (two messages), one error, or the whole record. True: complete. */
bool record_messages_step(struct record_messages *messages, const struct topics *topics,
                          struct job *job);

#endif
