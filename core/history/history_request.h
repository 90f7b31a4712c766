/*
 * A request for a part of the history, and its parser. The text comes from a browser or a tool.
 */
#ifndef FR_HISTORY_REQUEST_H
#define FR_HISTORY_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "record/record_types.h"
#include "util/error.h"

enum fr_history_what {
    FR_HISTORY_FIELDS,      /* values of chosen fields */
    FR_HISTORY_TRACK,       /* positions of the last drive, or of a range of time */
    FR_HISTORY_SESSIONS,    /* drives and charges, newest first */
    FR_HISTORY_ALERTS,      /* newest first */
    FR_HISTORY_CONNECTIONS, /* newest first */
    FR_HISTORY_SIGNALS,     /* signals by day and field, and their price */
};

#define FR_HISTORY_FIELDS_MAX 16
#define FR_HISTORY_POINTS_MAX 2000
#define FR_HISTORY_POINTS_DEFAULT 500
#define FR_HISTORY_QUERY_MAX 2048 /* bytes of the query */

struct fr_history_request {
    enum fr_history_what what;
    char vin[FR_VIN_MAX + 1];
    uint32_t fields[FR_HISTORY_FIELDS_MAX]; /* FR_HISTORY_FIELDS: at least one */
    size_t field_count;
    int64_t from_ms, to_ms; /* since 1970; 0 <= from_ms < to_ms */
    bool from_given;        /* otherwise from_ms is the default of `what` */
    size_t points;          /* max points of a series, or max rows; 1 to FR_HISTORY_POINTS_MAX */
};

/* Parse the query of a URL, such as "fields=Soc,Gear&from=-86400000&points=800". Parameters:
 *   fields  names of the catalogue, required for FR_HISTORY_FIELDS and refused for others
 *   from    ms since 1970, or a negative number: ms before `to`; default: a day before `to`; a track:
 *           the last drive; sessions, alerts, connections, signals: all
 *   to      ms since 1970, or a negative number: ms before now; default: now
 *   points  see struct fr_history_request; default: 500
 * `vin` is the device id, `now_ms` the present in ms since 1970. Returns 0, or -1 with `error` set.
 * Any thread. */
int fr_history_request_parse(struct fr_history_request *request, enum fr_history_what what,
                             const char *vin, const char *query, int64_t now_ms,
                             struct fr_error *error);

/* The kind of request with this name ("fields", "track", "sessions", "alerts", "connections",
 * "signals"). Returns false if there is none. Any thread. */
bool fr_history_what_of(const char *name, enum fr_history_what *what);

#endif
