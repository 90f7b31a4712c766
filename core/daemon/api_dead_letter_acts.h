/*
 * api_dead_letter_acts.h - POST /api/dead-letters/resend and /api/dead-letters/drop, with the body
 * {"sink":NAME,"ids":[TEXT,…]} or {"sink":NAME,"all":true}.
 *
 * resend puts the records into the journal again, as `fleetroute replay` does, and drops each letter
 * whose record is on disk. The work has FR_API_LETTER_ACTS_MS; what is not done then stays, and the
 * message has the number. One act runs at a time. The functions parse the body in the main thread and
 * work in a thread of the jobs.
 */
#ifndef FR_API_DEAD_LETTER_ACTS_H
#define FR_API_DEAD_LETTER_ACTS_H

#include "admin/http_types.h"

#define FR_API_LETTER_ACTS_MS 10000

int fr_api_resend_dead_letters(void *daemon, const struct fr_http_call *call,
                               struct fr_buffer *out);
int fr_api_drop_dead_letters(void *daemon, const struct fr_http_call *call, struct fr_buffer *out);

#endif
