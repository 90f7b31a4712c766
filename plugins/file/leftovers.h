/*
 * Searches for rotated files that were not compressed, or only partly, before the daemon stopped.
 * The search reads one folder at a time on the sink's event base. All functions and callbacks run
 * on the sink's thread.
 */
#ifndef FR_LEFTOVERS_H
#define FR_LEFTOVERS_H

#include "fleetroute/plugin.h"

#define FR_LEFTOVER_FOLDERS_MAX 16384 /* further folders are skipped */

struct fr_leftovers;

/* Start a search in all folders that match the pattern. `found` is called for each rotated file
 * that is not compressed; false from it ends the search. Partly compressed files are removed. NULL:
 * no memory. */
struct fr_leftovers *fr_leftovers_new(struct event_base *base, const char *pattern,
                                      bool (*found)(void *ctx, const char *path), void *ctx);

/* NULL is allowed. */
void fr_leftovers_free(struct fr_leftovers *leftovers);

/* Start the search again. */
void fr_leftovers_restart(struct fr_leftovers *leftovers);

#endif
