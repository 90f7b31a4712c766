/*
 * rotated_name.h - names of rotated files: PATH~SEQUENCE-DATE, such as
 * V.jsonl~00000042-20261124T112650Z, then .gz or .zst, and .part while it is compressed.
 *
 * The sequence orders them, whatever the clock says. No name made of what a vehicle sent has a tilde
 * (path_pattern.h), so no vehicle can make a file that is taken for a rotated one.
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
    FR_ROTATED_PART,       /* half compressed */
};

/* What a name is. `base` is the name of the file that was rotated; NULL: any. */
enum fr_rotated_kind fr_rotated_kind(const char *name, const char *base, uint64_t *sequence);

/* Append ~SEQUENCE-DATE. */
void fr_rotated_suffix(struct fr_text_buffer *name, uint64_t sequence, time_t when);

#endif
