/*
 * The rows of the history's file that are neither chunks nor sessions: alerts, connections, the
 * signals of a day, and one row of each vehicle. Packed as in packing.h. Internal to core/history.
 * The functions are thread-safe. A reader returns false if the bytes are no valid row.
 */
#ifndef FR_HISTORY_ROWS_H
#define FR_HISTORY_ROWS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "history/session.h"
#include "util/buffer.h"

#define FR_ALERT_NAME_SIZE 65   /* a longer name is cut to 64 bytes */
#define FR_NETWORK_NAME_SIZE 33 /* a longer name is cut to 32 bytes */

struct fr_alert {
    int64_t started_ms; /* since 1970 */
    int64_t ended_ms;   /* 0: not known to have ended */
    uint32_t audiences; /* bit n: enum Audience of vehicle_alert.proto */
    uint8_t name_len;   /* the name may contain NUL */
    char name[FR_ALERT_NAME_SIZE];
};

void fr_alert_encode(const struct fr_alert *alert, struct fr_buffer *out);
bool fr_alert_decode(struct fr_alert *alert, const void *bytes, size_t len);

struct fr_connection {
    int64_t ms;
    bool connected;
    bool presence; /* of the vehicle, over all its connections; otherwise of one connection */
    uint8_t network_len;
    char network[FR_NETWORK_NAME_SIZE]; /* "wifi"; "": unknown */
};

void fr_connection_encode(const struct fr_connection *connection, struct fr_buffer *out);
bool fr_connection_decode(struct fr_connection *connection, const void *bytes, size_t len);

/* The fields of the catalogue and FR_DAY_OTHER. */
#define FR_DAY_FIELDS_MAX 512
#define FR_DAY_OTHER UINT32_MAX /* all fields that are not in the catalogue */
#define FR_DAY_MS (INT64_C(24) * 3600 * 1000)

/* How many signals of each field arrived on a day, in the order of the fields. */
struct fr_day {
    size_t count;
    struct {
        uint32_t field;
        uint64_t signals;
    } fields[FR_DAY_FIELDS_MAX];
};

/* Add signals of a field. More than FR_DAY_FIELDS_MAX fields are not counted. */
void fr_day_add(struct fr_day *day, uint32_t field, uint64_t signals);

void fr_day_encode(const struct fr_day *day, struct fr_buffer *out);
bool fr_day_decode(struct fr_day *day, const void *bytes, size_t len);

/* What is known of a vehicle beside its rows. */
struct fr_vehicle_row {
    uint64_t bytes;               /* of its rows */
    uint32_t alerts, connections; /* numbers of rows */
    int64_t last_ms;              /* receipt of its last record */
    struct fr_session_state session;
};

void fr_vehicle_row_encode(const struct fr_vehicle_row *row, struct fr_buffer *out);
bool fr_vehicle_row_decode(struct fr_vehicle_row *row, const void *bytes, size_t len);

#endif
