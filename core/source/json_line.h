/*
 * Reads a line of a file with records: fleetroute's JSON and Tesla's JSON as file.so writes them,
 * and the dead letters of a sink. For `fleetroute replay`.
 *
 * The function has no state. Any thread.
 */
#ifndef FR_JSON_LINE_H
#define FR_JSON_LINE_H

#include <stddef.h>
#include <stdint.h>

#include "record/record.h"
#include "util/buffer.h"
#include "util/error.h"

/* A record. Members that the line does not have are "" and 0. */
struct fr_json_line {
    char vin[FR_VIN_MAX +
             2]; /* these three hold one byte more than the max, to detect longer texts */
    char topic[FR_TOPIC_MAX + 2];
    char txid[FR_TXID_MAX + 2];
    int64_t received_ms; /* since 1970 */
    int64_t created_ns;  /* since 1970 */
    struct fr_buffer payload;
};

enum fr_json_line_kind {
    FR_JSON_LINE_ERROR = -1, /* the line is not a record; `error` is set */
    FR_JSON_LINE_RECORD = 0,
    FR_JSON_LINE_OTHER = 1, /* fleetroute's JSON of one field value or of skipped records */
};

/* Read a line. The caller frees line->payload, whatever the result is. */
enum fr_json_line_kind fr_json_line_read(const char *text, size_t len, struct fr_json_line *line,
                                         struct fr_error *error);

#endif
