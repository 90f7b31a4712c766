/* Alerts, errors and connectivity as the messages that the MQTT dispatcher of Tesla's server
 * publishes for a record:
 *
 *   alerts/NAME/current   {"Audiences":[…],"EndedAt":…,"StartedAt":…} of the alert of this name that
 *                         started last; no message if none of them has a start
 *   alerts/NAME/history   all alerts of this name, in their order, in an array
 *   errors/NAME           {"Body":…,"CreatedAt":…,"Tags":{…}}
 *   connectivity          {"ConnectionId":…,"CreatedAt":…,"Status":…}
 *
 * A time that the vehicle did not send is absent; Audiences and Tags without content are null. Times
 * have whole seconds. Source: datastore/mqtt/mqtt_payload.go of Tesla's fleet-telemetry.
 *
 * An object belongs to one thread at a time. */
#ifndef FR_TESLA_MESSAGES_H
#define FR_TESLA_MESSAGES_H

#include <stdbool.h>
#include <stddef.h>

#include "record/record.h"
#include "util/buffer.h"

struct fr_tesla_messages;

/* One message. The texts are valid as long as the record. */
struct fr_tesla_topic {
    const char *name; /* of an alert or error, not NUL-terminated; NULL: the record has no names */
    size_t name_len;
    const char *part; /* "current" or "history"; NULL: none */
};

/* Returns whether Tesla's server publishes records of this type, other than V, by MQTT. presence is
 * a type of fleetroute in the form of connectivity. */
bool fr_tesla_messages_has(enum fr_record_type type);

/* Parse a record of such a type, whose payload is normalised and which must outlive the result.
 * Takes n log n time for n alerts or errors. The caller owns the result; NULL: memory is
 * exhausted. */
struct fr_tesla_messages *fr_tesla_messages_new(const struct fr_record *record);

/* NULL is allowed. */
void fr_tesla_messages_free(struct fr_tesla_messages *messages);

/* Append the JSON of the message with this index to `out` and set *topic. Returns false if there
 * are no more messages. All messages together take time linear in the size of the record, for
 * indexes in ascending order. */
bool fr_tesla_messages_get(struct fr_tesla_messages *messages, size_t index, struct fr_buffer *out,
                           struct fr_tesla_topic *topic);

#endif
