/*
 * dead_letters.h - what a sink can never deliver, set aside in a file that people can read and
 * `fleetroute replay` can send again.
 *
 * One JSON object a line: sink, refused_at, tries, seq, the record as fr_json_record shows it,
 * and its payload in base64.
 */
#ifndef FR_DEAD_LETTERS_H
#define FR_DEAD_LETTERS_H

#include "record/record.h"
#include "util/error.h"

/* A file is moved aside (".1", one is kept) when it has so many bytes. */
#define FR_DEAD_LETTERS_SIZE (64u << 20)

/* Append a record to FOLDER/SINK.jsonl, and to the disk. -1 and why. */
int fr_dead_letter(const char *folder, const char *sink, struct fr_record *record, unsigned tries,
                   struct fr_error *error);

#endif
