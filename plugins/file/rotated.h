/*
 * rotated.h - what happens to a file that is full: it gets a sequence number and a date
 * (rotated_name.h), is compressed in small steps, and the oldest beyond `keep` are removed.
 */
#ifndef ROTATED_H
#define ROTATED_H

#include "fleetroute/plugin.h"

struct fr_rotated;

/* Reads the options `path`, `compress` and `keep`, and begins to look for files that a stop left
 * uncompressed. NULL: no memory. */
struct fr_rotated *fr_rotated_new(struct fr_sink *sink, const struct fr_host *host);

/* Stops compressing; a half-compressed file is removed, its original stays. NULL is allowed. */
void fr_rotated_free(struct fr_rotated *rotated);

/* Take over a closed file: rename it and do the rest later. -1 and errno. */
int fr_rotated_add(struct fr_rotated *rotated, const char *path);

#endif
