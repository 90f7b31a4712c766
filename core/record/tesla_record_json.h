/* The JSON of one alert, one error or one connectivity record in the messages of
 * tesla_messages.h. Malformed input ends at the malformed byte. Any thread. */
#ifndef FR_TESLA_RECORD_JSON_H
#define FR_TESLA_RECORD_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/buffer.h"

/* A text in a message. */
struct fr_tesla_text {
    const char *bytes; /* not NUL-terminated; not NULL, also if len is 0 */
    size_t len;
};

/* Order of the bytes: negative, 0 or positive. */
int fr_tesla_text_compare(const struct fr_tesla_text *a, const struct fr_tesla_text *b);

/* A google.protobuf.Timestamp as sent: nanos may be no fraction of a second. */
struct fr_tesla_time {
    bool is_set;
    int64_t seconds;
    int32_t nanos;
};

/* The time at which an encoded VehicleAlert started. */
struct fr_tesla_time fr_tesla_alert_start(const uint8_t *alert, size_t len);

/* Append an encoded VehicleAlert:
 * {"Audiences":["Customer"],"EndedAt":"2026-01-01T00:00:00Z","StartedAt":…} */
void fr_tesla_alert_json(struct fr_buffer *out, const uint8_t *alert, size_t len);

/* Append an encoded VehicleError: {"Body":…,"CreatedAt":…,"Tags":{…}}, with the tags in the order of
 * their keys. */
void fr_tesla_error_json(struct fr_buffer *out, const uint8_t *error, size_t len);

/* Append an encoded VehicleConnectivity: {"ConnectionId":…,"CreatedAt":…,"Status":"CONNECTED"}.
 * Without a time, CreatedAt is the time 0. */
void fr_tesla_connectivity_json(struct fr_buffer *out, const uint8_t *record, size_t len);

#endif
