/*
 * Which vehicles are connected, over all their connections and all workers.
 *
 * The Wi-Fi and LTE connections of one car overlap, and a car reconnects soon after a tunnel. So a
 * vehicle is connected from its first connection until a grace period after the end of its last one,
 * when it expires. Expired vehicles stay in the table for the status display (presence_status.h). One lock protects the
 * table; it is taken when connections open and close, not for records. Functions may be called on
 * any thread.
 */
#ifndef FR_PRESENCE_H
#define FR_PRESENCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "record/topics.h"

/* Expired vehicles in the table at most. Beyond that the one that expired first is removed. */
#define FR_PRESENCE_EXPIRED_MAX 100000

struct fr_presence;
struct fr_presence_vehicle; /* valid while the vehicle has a connection */

/* A connection in its vehicle's list, oldest first. The caller owns the memory, which must stay in
 * place from fr_presence_up() to fr_presence_down(). The lock protects `next`, `previous` and
 * `leaving`. */
struct fr_presence_link {
    struct fr_presence_link *next, *previous;
    void *owner; /* the worker; with slot and generation set by the caller */
    uint32_t slot, generation;
    const char *peer; /* address and port, constant; set by the caller, as slot and generation */
    bool leaving;     /* fr_presence_excess() has returned it */
};

/* A vehicle became connected, is still connected (fr_presence_restate()), or expired. Called with the
 * lock held, so that the records that two threads make of such events have the order of the events;
 * must not call fr_presence_*(). */
typedef void fr_presence_event_fn(void *ctx, const char *vin, bool connected);

/* Create an empty table; the caller frees it with fr_presence_free(). Never NULL. */
struct fr_presence *fr_presence_new(int64_t grace_ms);

/* Free the table and all vehicles; NULL is allowed. */
void fr_presence_free(struct fr_presence *presence);

/* Change the grace period; it holds for vehicles within theirs, too. */
void fr_presence_set_grace(struct fr_presence *presence, int64_t grace_ms);

/* Lengthen the grace period of the vehicles that are within theirs by `ms`: in this time vehicles
 * could not connect, because too many did at once. */
void fr_presence_delay_expiry(struct fr_presence *presence, int64_t ms);

/* Repeat the event "connected" of each vehicle with a connection every every_ms, by calls of
 * fr_presence_restate(); 0, as at first: never. Before the first connection. */
void fr_presence_set_restate(struct fr_presence *presence, int64_t every_ms);

/* A connection is open at now_ms (monotonic). The caller has set owner, slot, generation and peer of
 * its link. Calls `event` if the vehicle was not connected before; with fr_presence_set_restate() also if
 * it had no other connection. The result is valid until fr_presence_down(). */
struct fr_presence_vehicle *fr_presence_up(struct fr_presence *presence, const char *vin,
                                           struct fr_presence_link *link, int64_t now_ms,
                                           fr_presence_event_fn *event, void *ctx);

/* Whether the vehicle has more than `max` connections. If so, *oldest is a copy of the link of its
 * oldest connection; the caller closes that connection, which is no longer counted here. */
bool fr_presence_excess(struct fr_presence *presence, struct fr_presence_vehicle *vehicle,
                        size_t max, struct fr_presence_link *oldest);

/* The vehicle sent a record, received at wall_ms (wall clock). Does not take the lock. */
void fr_presence_touch(struct fr_presence_vehicle *vehicle, int64_t wall_ms);

/* The vehicle sent a message that was rejected, or violated the protocol, at wall_ms (wall clock).
 * Does not take the lock. */
void fr_presence_fault(struct fr_presence_vehicle *vehicle, int64_t wall_ms);

/* The set of topics that the vehicle has used; valid as long as the vehicle. */
fr_topics_used *fr_presence_topics(struct fr_presence_vehicle *vehicle);

/* A connection is closed at now_ms (monotonic). */
void fr_presence_down(struct fr_presence *presence, struct fr_presence_vehicle *vehicle,
                      struct fr_presence_link *link, int64_t now_ms);

/* The vehicle was connected before a restart of the daemon: it expires if it does not connect within
 * the grace period from now_ms (monotonic) on. */
void fr_presence_expect(struct fr_presence *presence, const char *vin, int64_t now_ms);

/* The vehicle sent its last record before a restart of the daemon, at wall_ms (wall clock). */
void fr_presence_restore_last_seen(struct fr_presence *presence, const char *vin, int64_t wall_ms);

/* Let one vehicle expire whose grace period is over at now_ms (monotonic), and call `event` for it.
 * False: there is none. */
bool fr_presence_disconnect(struct fr_presence *presence, int64_t now_ms,
                            fr_presence_event_fn *event, void *ctx);

/* Call `event` for one vehicle with a connection whose last event "connected" is every_ms old at
 * now_ms (monotonic). False: there is none. */
bool fr_presence_restate(struct fr_presence *presence, int64_t now_ms, fr_presence_event_fn *event,
                         void *ctx);

#endif
