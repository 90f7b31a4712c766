/*
 * api_dead_letters.h - the dead letters of the sinks for pages and scripts.
 *
 * GET /api/dead-letters?sink=NAME&offset=N&limit=N answers {"sinks":[{"name":…,"dead_letters":N}],
 * "found":N,"offset":N,"limit":N,"dead_letters":[…]}: the letters of one sink or of all, by the name of
 * the sink, newest first. "sinks" has the configured sinks, and others with a file. A sink whose files cannot be
 * read has "dead_letters":null and "error":TEXT; 503 if it is the one that is named. The function runs
 * in a thread of the jobs and has FR_API_DEAD_LETTERS_MS.
 */
#ifndef FR_API_DEAD_LETTERS_H
#define FR_API_DEAD_LETTERS_H

#include <jansson.h>

#include "admin/http_types.h"
#include "record/record.h"
#include "sink/dead_letter_file.h"
#include "source/json_line.h"

#define FR_API_DEAD_LETTERS_MS 3000
#define FR_API_DEAD_LETTERS_MAX 200 /* of a page */

/* The ctx of fr_api_dead_letters(), from struct fr_daemon; and its end. Main thread. */
void *fr_api_dead_letters_prepare(void *daemon);
void fr_api_dead_letters_release(void *ctx);

int fr_api_dead_letters(void *ctx, const struct fr_http_call *call, struct fr_buffer *out);

/* Parse the text of a dead letter. Returns 0, or -1 with `error` set: it is none, or it is longer than
 * FR_DEAD_LETTER_TEXT_MAX. The caller frees line->payload in either case. *root gets all members,
 * for json_decref(); NULL on failure. Any thread. */
int fr_api_dead_letter_parse(const struct fr_dead_letter *letter, const struct fr_buffer *text,
                             struct fr_json_line *line, json_t **root, struct fr_error *error);

/* Whether a text can be the name of a sink: it names no other folder. Any thread. */
bool fr_api_dead_letters_sink_valid(const char *name);

#endif
