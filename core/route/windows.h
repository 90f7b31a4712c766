/*
 * windows.h - the open windows of a program's field routes, and which of them closes next.
 *
 * All windows of one route are equally long, so each route has a queue in the order of closing:
 * to open or close a window costs O(1) there. A heap over the routes that have open windows,
 * ordered by their first window, gives the window that closes next: O(log routes) when the first
 * window of a route changes.
 */
#ifndef FR_WINDOWS_H
#define FR_WINDOWS_H

#include <stddef.h>
#include <stdint.h>

struct fr_throttle_slot;
struct fr_windows;

/* Make windows for so many routes. fr_windows_free frees them; slots belong to the throttle. */
struct fr_windows *fr_windows_new(size_t routes);
void fr_windows_free(struct fr_windows *windows);

/* Open a slot's window. It must not be open, and no window of this route may close later than
 * closes_ms (monotonic). */
void fr_windows_open(struct fr_windows *windows, uint32_t route, struct fr_throttle_slot *slot,
                     int64_t closes_ms);

/* Close the window that closes first, if it closes at now_ms or before: its slot, and its route in
 * *route; NULL otherwise. slot->closes_ms keeps the time at which it had to close. */
struct fr_throttle_slot *fr_windows_close_next(struct fr_windows *windows, int64_t now_ms,
                                               uint32_t *route);

/* Close all windows of a route whatever their time: the slots, linked by next_open in the order of
 * closing. */
struct fr_throttle_slot *fr_windows_close_route(struct fr_windows *windows, uint32_t route);

/* When the next window closes, in monotonic ms; -1: none is open. */
int64_t fr_windows_next_close(const struct fr_windows *windows);

#endif
