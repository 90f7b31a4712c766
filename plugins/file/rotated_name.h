/*
 * Names of rotated files: PATH~SEQUENCE-DATE, such as V.jsonl~00000042-20261124T112650Z, then .gz
 * or .zst, and .part during compression.
 *
 * The sequence number gives the order, independent of the clock. Text from vehicles never brings a
 * tilde into a name (path_pattern.h), so a vehicle cannot create a file that looks like a rotated
 * one.
 */
#ifndef FR_ROTATED_NAME_H
#define FR_ROTATED_NAME_H

#include <stdint.h>
#include <time.h>

#include "text_buffer.h"

enum fr_rotated_kind {
    FR_ROTATED_NONE,       /* another file */
    FR_ROTATED_PLAIN,      /* not compressed */
    FR_ROTATED_COMPRESSED, /* .gz, .zst */
    FR_ROTATED_PART,       /* partly compressed */
};

/* Classify a file name and parse its sequence number into *sequence. `base` is the name of the file
 * that was rotated; NULL: any. With FR_ROTATED_NONE, *sequence is undefined. */
enum fr_rotated_kind fr_rotated_kind(const char *name, const char *base, uint64_t *sequence);

/* Append ~SEQUENCE-DATE, in UTC. */
void fr_rotated_suffix(struct fr_text_buffer *name, uint64_t sequence, time_t when);

#endif
