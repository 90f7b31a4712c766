/*
 * One listener that receives every record beside the sinks, for `fleetroute tail`.
 *
 * The tap exists once in the process and survives reloads.
 */
#ifndef FR_TAP_H
#define FR_TAP_H

#include <stdbool.h>

#include "record/record.h"

/* Set the listener. Called once, before other threads start. The listener is called on the thread
 * that calls fr_tap(), and takes a reference of a record that it stores. */
void fr_tap_set(void (*listener)(void *ctx, struct fr_record *record), void *ctx);

/* Switch the listener on or off; off at the start. Any thread. */
void fr_tap_on(bool on);

/* Pass a record to the listener if it is on. Any thread. */
void fr_tap(struct fr_record *record);

#endif
