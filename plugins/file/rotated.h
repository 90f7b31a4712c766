/*
 * Rotation of files: a full file gets a name with sequence number and date (rotated_name.h) and is
 * compressed in small steps; the oldest files beyond `keep` are removed. All functions run on the
 * sink's thread.
 */
#ifndef FR_ROTATED_H
#define FR_ROTATED_H

#include "fleetroute/plugin.h"

struct fr_rotated;

/* Read the options `path`, `compress` and `keep`, and start the search for files that are not
 * compressed yet (leftovers.h). NULL: no memory. */
struct fr_rotated *fr_rotated_new(struct fr_sink *sink, const struct fr_host *host);

/* Stop compressing; a partly compressed file is removed and its original kept. NULL is allowed. */
void fr_rotated_free(struct fr_rotated *rotated);

/* Rename a closed file and start the rest. Returns 0, or -1 with errno. */
int fr_rotated_add(struct fr_rotated *rotated, const char *path);

#endif
