/*
 * The table of presence: shared by presence, presence_table and presence_status, included by no other
 * file.
 */
#ifndef FR_PRESENCE_STATE_H
#define FR_PRESENCE_STATE_H

#include <pthread.h>
#include <stdatomic.h>

#include "ingest/presence.h"

#define FR_PRESENCE_SHORT_VIN 24 /* bytes with the NUL; a longer VIN has an allocation of its own */

struct fr_presence_vehicle {
    struct fr_presence_vehicle *next; /* in its bucket */
    struct presence_list *list;       /* that it is in; NULL: not yet in any */
    struct fr_presence_vehicle *next_in_list, **at_in_list;
    uint64_t hash;
    struct fr_presence_link *first, *last; /* its connections, oldest first */
    unsigned connections;
    unsigned leaving; /* connections that are being closed because of connections_per_vin */
    bool connected;
    int64_t connected_ms; /* monotonic time at which `connected` became true */
    int64_t down_ms;      /* presence_clock() when the last connection closed */
    int64_t stated_ms;    /* monotonic time of the last event "connected" */
    _Atomic int64_t last_seen_ms;
    _Atomic uint64_t records;
    _Atomic uint64_t faults;
    _Atomic int64_t last_fault_ms;
    fr_topics_used topics;
    char *vin; /* short_vin or an allocation */
    char short_vin[FR_PRESENCE_SHORT_VIN];
};

/* Vehicles in the order of a time: without a connection, that at which they lost it; with one, that
 * of the last event. */
struct presence_list {
    struct fr_presence_vehicle *first, **end;
    size_t count;
};

struct fr_presence {
    pthread_mutex_t lock; /* protects everything but the atomic members of vehicles */
    int64_t grace_ms;
    int64_t delay_ms;   /* sum of fr_presence_delay_expiry() */
    int64_t restate_ms; /* 0: events are not repeated */
    struct fr_presence_vehicle **buckets;
    size_t bucket_count;         /* a power of two */
    size_t count;                /* vehicles in the table */
    size_t connected;            /* of these, connected or within the grace period */
    struct presence_list online; /* with a connection */
    struct presence_list in_grace;
    struct presence_list expired;
    struct presence_block *blocks;     /* presence_table.c */
    struct fr_presence_vehicle *spare; /* unused ones in blocks, linked by `next` */
};

#endif
