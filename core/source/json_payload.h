/*
 * json_payload.h - from JSON back to protobuf: what Tesla's server writes with
 * transmit_decoded_records, what file.so writes, and dead letters.
 */
#ifndef FR_JSON_PAYLOAD_H
#define FR_JSON_PAYLOAD_H

#include <stddef.h>
#include <stdint.h>

#include "record/record.h"
#include "util/buffer.h"
#include "util/error.h"

/* Append the protobuf message of a record in Tesla's JSON. -1 and why. */
int fr_json_to_payload(const char *text, size_t len, enum fr_record_type type,
                       struct fr_buffer *payload, struct fr_error *error);

/* One line of a file that holds records. Empty texts: it did not say. */
struct fr_json_line {
    char vin[FR_VIN_MAX + 2]; /* these three are one longer, so that too long a text is seen */
    char topic[FR_TOPIC_MAX + 2];
    char txid[FR_TXID_MAX + 2];
    int64_t received_ms; /* 0: it did not say */
    int64_t created_ns;
    struct fr_buffer payload; /* the caller frees it */
};

/* Read a record as fleetroute's JSON, Tesla's JSON or a dead letter has it. 1: the line is
 * fleetroute's, but no record (a field's value, a count of missed records); -1 and why. */
int fr_json_line_read(const char *text, size_t len, struct fr_json_line *line,
                      struct fr_error *error);

#endif
