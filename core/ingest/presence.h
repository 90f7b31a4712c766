/*
 * presence.h - whether a vehicle is there, over all its connections.
 *
 * A car's Wi-Fi and LTE connections overlap, and a car in a tunnel comes back at once; so a
 * vehicle comes with its first connection and is gone when its last one has been down for the
 * grace period. Shared by the workers, under one lock; touched when connections come and go.
 * Those that are gone are remembered, so that people can see when they last spoke.
 */
#ifndef FR_PRESENCE_H
#define FR_PRESENCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "record/record.h"
#include "record/topics.h"

/* So many that are gone are remembered; of more, those that left first are forgotten. */
#define FR_PRESENCE_GONE_MAX 10000

struct fr_presence;
struct fr_present; /* a vehicle with a connection */

/* A connection in its vehicle's list, oldest first. Part of the connection; the presence's lock
 * guards it. */
struct fr_presence_link {
    struct fr_presence_link *next, *previous;
    void *owner; /* the worker */
    uint32_t slot, generation;
    bool leaving; /* fr_presence_excess has named it */
};

struct fr_presence_status {
    char vin[FR_VIN_MAX + 1];
    bool here;
    unsigned connections;
    int64_t last_ms;  /* when it last spoke, wall clock; 0: it has not since it is known */
    uint64_t records; /* since it is known */
};

/* A vehicle came or is gone. Called with the presence's lock held, so that what is made of it on
 * two threads has the order of the events; it must not call the presence. */
typedef void fr_presence_announce_fn(void *ctx, const char *vin, bool here);

struct fr_presence *fr_presence_new(int64_t grace_ms);
void fr_presence_free(struct fr_presence *presence);
void fr_presence_set_grace(struct fr_presence *presence, int64_t grace_ms);

/* A connection is open; its link has owner, slot and generation. `announce` is called if the
 * vehicle came with it. Returns the vehicle, which holds as long as the connection is not down. */
struct fr_present *fr_presence_up(struct fr_presence *presence, const char *vin,
                                  struct fr_presence_link *link, fr_presence_announce_fn *announce,
                                  void *ctx);

/* Whether the vehicle has more than `most` connections. If so, *oldest is a copy of its oldest
 * connection's link; the caller closes that one, which is not counted from now on. */
bool fr_presence_excess(struct fr_presence *presence, struct fr_present *present, size_t most,
                        struct fr_presence_link *oldest);

/* It sent a record. Any thread, without the lock. */
void fr_presence_spoke(struct fr_present *present, int64_t wall_ms);

/* The topics that it has used. Any thread. */
fr_topics_used *fr_presence_topics(struct fr_present *present);

/* A connection is gone. Clocks are monotonic, in ms. */
void fr_presence_down(struct fr_presence *presence, struct fr_present *present,
                      struct fr_presence_link *link, int64_t now_ms);

/* The vehicle was there before a restart: it is gone if it does not come within the grace. */
void fr_presence_expect(struct fr_presence *presence, const char *vin, int64_t now_ms);

/* The vehicle last spoke before a restart, at a time of the wall clock. */
void fr_presence_remember(struct fr_presence *presence, const char *vin, int64_t wall_ms);

/* Find one vehicle whose grace is over, which is then gone, and announce it; false: there is none. */
bool fr_presence_gone(struct fr_presence *presence, int64_t now_ms,
                      fr_presence_announce_fn *announce, void *ctx);

/* The vehicles whose VIN has `part` in it, those that are here first, then the others, who
 * spoke last to the front. The caller frees the list; NULL: no memory. Returns how many. */
size_t fr_presence_list(struct fr_presence *presence, const char *part,
                        struct fr_presence_status **list);

/* How many are here, and how many are known. */
void fr_presence_count(struct fr_presence *presence, size_t *here, size_t *known);

#endif
