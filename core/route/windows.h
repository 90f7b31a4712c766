/*
 * The open windows of a program's field routes, in the order in which they close.
 *
 * All windows of one route have the same length (`every`), so each route has a FIFO queue in the
 * order of closing; opening and closing a window costs O(1) in the queue. A heap of the routes
 * with open windows, ordered by their first window, gives the window that closes next; it costs
 * O(log routes) when the first window of a route changes.
 *
 * The queues link the slots of throttle.h by next_open. Used by the thread of the sink only.
 */
#ifndef FR_WINDOWS_H
#define FR_WINDOWS_H

#include <stddef.h>
#include <stdint.h>

struct fr_throttle_slot;
struct fr_windows;

/* Make empty queues for the route indices 0 to routes - 1. The caller frees them. */
struct fr_windows *fr_windows_new(size_t routes);

/* Free the queues. The slots belong to the throttle and stay. NULL is ignored. */
void fr_windows_free(struct fr_windows *windows);

/* Open the window of a slot. The window must not be open, and no open window of the route may
 * close later than closes_ms (monotonic ms). */
void fr_windows_open(struct fr_windows *windows, uint32_t route, struct fr_throttle_slot *slot,
                     int64_t closes_ms);

/* Close the window that closes first, if it closes at now_ms (monotonic ms) or before. Returns its
 * slot and stores its route in *route; NULL: no window closes by now_ms. slot->closes_ms stays
 * unchanged. */
struct fr_throttle_slot *fr_windows_close_next(struct fr_windows *windows, int64_t now_ms,
                                               uint32_t *route);

/* Close all windows of a route, whenever they close. Returns the first of their slots, linked by
 * next_open in the order of closing; NULL: none was open. */
struct fr_throttle_slot *fr_windows_close_route(struct fr_windows *windows, uint32_t route);

/* When the next window closes, in monotonic ms; -1: none is open. */
int64_t fr_windows_next_close(const struct fr_windows *windows);

#endif
