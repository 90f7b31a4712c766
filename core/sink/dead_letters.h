/*
 * The dead-letter file of one sink: records that the sink cannot deliver, for people to read and
 * for `fleetroute replay` to send again.
 *
 * Format of FOLDER/SINK.jsonl: one JSON object a line with the members sink, failed_at, attempts,
 * reason, seq (position in the journal), record (the object of fr_json_record()) and payload (the
 * protobuf message in base64). A line that was dropped (dead_letter_file.h) is {"dropped":true},
 * padded with spaces.
 *
 * A struct fr_dead_letters is used by its sink's thread alone.
 */
#ifndef FR_DEAD_LETTERS_H
#define FR_DEAD_LETTERS_H

#include "record/record.h"
#include "util/error.h"

/* Size limit in bytes. A file that has reached it is renamed to SINK.jsonl.1 before the next line
 * is written. An older SINK.jsonl.1 is deleted; its lines are counted (dead_letters_deleted) and
 * logged. */
#define FR_DEAD_LETTERS_SIZE (64u << 20)

struct fr_dead_letters;

/* Create the writer of FOLDER/SINK.jsonl. Both texts are copied. The file is opened by the first
 * fr_dead_letters_write(). Never returns NULL. */
struct fr_dead_letters *fr_dead_letters_new(const char *folder, const char *sink);

/* Free the writer. Lines that are not written are lost. `letters` may be NULL. */
void fr_dead_letters_free(struct fr_dead_letters *letters);

/* Append the line of one record to the buffer in memory. `reason` describes the failure and is
 * copied. Returns 0; or -1 when there is no memory for the line: the buffer is then empty. */
int fr_dead_letters_add(struct fr_dead_letters *letters, struct fr_record *record,
                        unsigned attempts, const char *reason, struct fr_error *error);

/* Append all buffered lines to the file and sync the file to disk. The buffer is empty afterwards
 * in any case. Returns 0; or -1 with the path, the cause and the remedy: no line was written, or
 * the next call truncates what was written. After a crash between two calls a record may have two
 * lines, with the same seq. */
int fr_dead_letters_write(struct fr_dead_letters *letters, struct fr_error *error);

#endif
