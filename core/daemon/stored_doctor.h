/*
 * stored_doctor.h - the file that `fleetroute doctor` leaves in the folder `state:`, for the pages.
 *
 * Another program wrote the file, so its content is checked and written anew. Any thread.
 */
#ifndef FR_STORED_DOCTOR_H
#define FR_STORED_DOCTOR_H

#include <stdint.h>

#include "util/buffer.h"
#include "util/error.h"

#define FR_STORED_DOCTOR_LINKS_MAX 2000
#define FR_STORED_DOCTOR_TEXT_MAX 4096 /* bytes of one text */

/* Append the links of a result (`len` bytes of JSON) as a JSON list, with the members level, id, title,
 * subject, text and remedy, and set *run_ms. Returns 0; or -1 with `error` set if it is not a result of
 * doctor, and `out` is unchanged. */
int fr_stored_doctor_put(const void *bytes, size_t len, struct fr_buffer *out, int64_t *run_ms,
                         struct fr_error *error);

/* Append the content of the file to `out`. Returns 0; or -1 with errno set, ENOENT if there is none and
 * EFBIG if it is larger than FR_DOCTOR_FILE_MAX. */
int fr_stored_doctor_read(const char *path, struct fr_buffer *out);

#endif
