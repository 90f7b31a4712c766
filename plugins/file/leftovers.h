/*
 * leftovers.h - looks for rotated files that a stop left uncompressed or half compressed, one folder
 * at a time on the sink's event base.
 */
#ifndef FR_LEFTOVERS_H
#define FR_LEFTOVERS_H

#include "fleetroute/plugin.h"

#define FR_LEFTOVER_FOLDERS_MAX 16384 /* more are not looked into */

struct fr_leftovers;

/* Begin to look where files of this pattern can be. `found` is called for each rotated file that is
 * not compressed; it returns false when it cannot take more, which ends the search. Half-compressed
 * files are removed. NULL: no memory. */
struct fr_leftovers *fr_leftovers_new(struct event_base *base, const char *pattern,
                                      bool (*found)(void *ctx, const char *path), void *ctx);
void fr_leftovers_free(struct fr_leftovers *leftovers);

/* Look again from the beginning. */
void fr_leftovers_again(struct fr_leftovers *leftovers);

#endif
