/*
 * Reduces a track to fewer positions. Pure functions; any thread.
 */
#ifndef FR_HISTORY_TRACK_H
#define FR_HISTORY_TRACK_H

#include <stddef.h>

#include "history/chunk.h"

/* Max positions of a track before it is reduced; the time grows with their square at worst. */
#define FR_TRACK_MAX 4000

/* Reduce `count` positions (at most FR_TRACK_MAX) in place: by the algorithm of Douglas and Peucker
 * a position closer than `metres` to the line between its kept neighbours is removed; if more than
 * `max` (2 or more) remain, they are thinned evenly. The first and last position are kept. Returns
 * the number of positions. */
size_t fr_track_reduce(struct fr_position *positions, size_t count, double metres, size_t max);

#endif
