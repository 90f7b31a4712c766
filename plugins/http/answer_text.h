/*
 * The reason that a server names in the body of an answer, for people. The functions have no state; any
 * thread may call them.
 */
#ifndef FR_HTTP_ANSWER_TEXT_H
#define FR_HTTP_ANSWER_TEXT_H

#include <stdbool.h>
#include <stddef.h>

/* Write the reason to `to`, NUL-terminated and cut to `size` bytes: the member "error" or "message" of a
 * JSON object, else the body itself. `body` is UTF-8 without control characters. A page of HTML is no
 * reason: "". */
void answer_text(const char *body, char *to, size_t size);

/* What InfluxDB writes about a point that it refuses while it writes the others. */
enum influx_fault {
    INFLUX_OTHER,    /* no such answer */
    INFLUX_CONFLICT, /* a field has another type in the database */
    INFLUX_POINT,    /* a point is malformed, or older than the database keeps */
};

/* `text` is from answer_text(). */
enum influx_fault influx_fault_of(const char *text);

#endif
