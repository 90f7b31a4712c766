/*
 * dead_letters.h - records that a sink cannot deliver, in a file that people can read and
 * `fleetroute replay` can send again.
 *
 * One JSON object a line: sink, failed_at, attempts, reason, seq, the record as fr_json_record
 * shows it, and its payload in base64. The file is FOLDER/SINK.jsonl.
 */
#ifndef FR_DEAD_LETTERS_H
#define FR_DEAD_LETTERS_H

#include "record/record.h"
#include "util/error.h"

/* A file of this many bytes is moved to SINK.jsonl.1 before the next line is written. The file that
 * was there is deleted: its lines are counted (dead_letters_deleted) and logged. */
#define FR_DEAD_LETTERS_SIZE (64u << 20)

struct fr_dead_letters;

/* Nothing is opened before the first line. The texts are copied. */
struct fr_dead_letters *fr_dead_letters_new(const char *folder, const char *sink);
void fr_dead_letters_free(struct fr_dead_letters *letters);

/* Gather a line for a record. -1: no memory; then nothing is gathered any more. */
int fr_dead_letters_add(struct fr_dead_letters *letters, struct fr_record *record,
                        unsigned attempts, const char *reason, struct fr_error *error);

/* Write what is gathered, all or nothing, and to the disk. -1 with the path, the cause and the
 * remedy: nothing was written, or what was is cut off by the next call. After a crash in between
 * a line may stand there twice, with the same seq. What is gathered is forgotten in any case. */
int fr_dead_letters_write(struct fr_dead_letters *letters, struct fr_error *error);

#endif
