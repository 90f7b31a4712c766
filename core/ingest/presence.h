/*
 * presence.h - whether a vehicle is there, over all its connections.
 *
 * A car's Wi-Fi and LTE connections overlap, and a car in a tunnel comes back at once; so a
 * vehicle comes with its first connection and is gone when its last one has been down for the
 * grace period. Shared by the workers, under one lock; touched when connections come and go.
 */
#ifndef FR_PRESENCE_H
#define FR_PRESENCE_H

#include <stdbool.h>
#include <stdint.h>

#include "record/record.h"

struct fr_presence;

struct fr_presence *fr_presence_new(int64_t grace_ms);
void fr_presence_free(struct fr_presence *presence);
void fr_presence_set_grace(struct fr_presence *presence, int64_t grace_ms);

/* A connection is open. Returns whether the vehicle came with it. */
bool fr_presence_up(struct fr_presence *presence, const char *vin);

/* A connection is gone. Clocks are monotonic, in ms. */
void fr_presence_down(struct fr_presence *presence, const char *vin, int64_t now_ms);

/* The vehicle was there before a restart: it is gone if it does not come within the grace. */
void fr_presence_expect(struct fr_presence *presence, const char *vin, int64_t now_ms);

/* Take out one vehicle whose grace is over; false: there is none. */
bool fr_presence_gone(struct fr_presence *presence, int64_t now_ms, char vin[FR_VIN_MAX + 1]);

#endif
