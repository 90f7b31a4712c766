/* The front-end that made a presence or connectivity record, as the txid of the record:
 *
 *   front-end/NAME/INSTANCE/SEQUENCE/LEASE
 *
 * A txid passes through each journal, sink and source unchanged, so the payload stays Tesla's. The
 * numbers are decimal. A daemon without `front_end:` makes no such txid. Also the field that
 * distinguishes a presence record of a source from one of the daemon's own. Any thread. */
#ifndef FR_PRESENCE_ORIGIN_H
#define FR_PRESENCE_ORIGIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/buffer.h"

#define FR_FRONT_END_NAME_MAX 32      /* bytes */
#define FR_LEASE_MIN_MS INT64_C(3000) /* of a statement */
#define FR_LEASE_MAX_MS (INT64_C(15) * 60 * 1000)
#define FR_PRESENCE_ORIGIN_MAX 128 /* bytes of the text with its NUL */

struct fr_presence_origin {
    char front_end[FR_FRONT_END_NAME_MAX + 1];
    uint64_t instance; /* the start of its process, ms since 1970 */
    uint64_t sequence; /* grows with each statement of the instance */
    int64_t lease_ms;  /* a statement holds for this time, unless it is made again */
};

/* Whether a text can be the name of a front-end: 1 to FR_FRONT_END_NAME_MAX letters, digits and
 * characters of "._-". */
bool fr_front_end_name_valid(const char *name, size_t len);

/* Write the origin as a text with NUL. Returns its length. */
size_t fr_presence_origin_write(const struct fr_presence_origin *origin,
                                char text[FR_PRESENCE_ORIGIN_MAX]);

/* Read an origin. False: the text is none, or its lease is not within the bounds. */
bool fr_presence_origin_read(const char *text, size_t len, struct fr_presence_origin *origin);

/* Append the field that marks the payload of a presence record as relayed: the vehicle is not, or
 * was not, connected to this daemon. Tesla's message does not have the field. */
void fr_presence_add_relayed(struct fr_buffer *payload);

/* Whether a payload has this field. */
bool fr_presence_is_relayed(const uint8_t *payload, size_t len);

#endif
