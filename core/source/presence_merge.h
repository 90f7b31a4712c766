/*
 * The presence of vehicles that move between front-ends, merged from what each front-end states.
 *
 * A vehicle is connected while at least one claimant has it. A claimant is a front-end of
 * fleetroute, whose statements hold for a lease, or a connection to Tesla's server. "Away" is
 * published when no claimant has had the vehicle for the hold time, because "connected" of another
 * front-end may be delayed on its way.
 *
 * Time is passed in by the caller and advances only while the source is up to date, so that an
 * outage of Kafka ends no lease. Vehicles belong to parts of the source (partitions). When another
 * consumer takes over a part, its vehicles are dropped; the new consumer reads the statements of the
 * last minutes again ("history") and publishes each vehicle with its next statement.
 *
 * There is no I/O and no lock; one thread at a time.
 */
#ifndef FR_PRESENCE_MERGE_H
#define FR_PRESENCE_MERGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "record/record.h"

#define FR_MERGE_CLAIMS_MAX 4         /* claimants of one vehicle */
#define FR_MERGE_VEHICLES_MAX 1000000 /* of a source; each needs about 300 bytes */
#define FR_MERGE_PARTS_MAX 65536      /* greater parts share state with smaller ones */

struct fr_presence_merge;

struct fr_merge_statement {
    const char *vin; /* valid, see fr_vin_valid() */
    uint32_t part;
    bool history;         /* an earlier consumer has published it */
    const char *claimant; /* front-end or connection; claimant_len bytes */
    size_t claimant_len;
    uint64_t instance; /* statements of two instances have no order but that of arrival */
    uint64_t sequence; /* grows with each statement of an instance */
    int64_t lease_ms;  /* 0: a connection to Tesla's server */
    bool connected;
    int64_t created_ns; /* ns since 1970 */
};

enum fr_merge_verdict {
    FR_MERGE_NOTHING,    /* the vehicle's merged presence does not change now */
    FR_MERGE_SUPPRESSED, /* the same: "away" of a vehicle that another claimant has */
    FR_MERGE_CONNECTED,  /* publish that the vehicle is connected */
    FR_MERGE_FULL,       /* not merged: publish the statement as it is */
};

/* Publish that a vehicle is away, at created_ns. `expired`: its last claimant made no statement for
 * its lease. False: not possible now; it is called again. Must not call fr_presence_merge_*(). */
typedef bool fr_merge_away_fn(void *ctx, const char *vin, int64_t created_ns, bool expired);

/* Make an empty table for vehicles_max vehicles; statements of further ones are not merged. The caller
 * frees it. */
struct fr_presence_merge *fr_presence_merge_new(int64_t hold_ms, size_t vehicles_max);
void fr_presence_merge_free(struct fr_presence_merge *merge);

struct fr_merge_result {
    /* The time to publish: that of the statement, or later, because the published times of a vehicle
     * grow, whatever the clocks of the front-ends are. */
    int64_t created_ns;
    /* The claimant's statement before this one was of an instance that started later: two front-ends
     * have the same name, or a clock was set back. */
    bool older_instance;
};

/* Enter a statement and fill *result. */
enum fr_merge_verdict fr_presence_merge_state(struct fr_presence_merge *merge,
                                              const struct fr_merge_statement *statement,
                                              struct fr_merge_result *result);

/* The source was up to date for another elapsed_ms: end leases and publish vehicles that are away.
 * wall_ns: ns since 1970. */
void fr_presence_merge_advance(struct fr_presence_merge *merge, int64_t elapsed_ms, int64_t wall_ns,
                               fr_merge_away_fn *away, void *ctx);

/* Drop the vehicles of a part: another consumer has it from now on. */
void fr_presence_merge_drop_part(struct fr_presence_merge *merge, uint32_t part);

/* The number of vehicles in the table, with those of dropped parts that are not yet removed. */
size_t fr_presence_merge_count(const struct fr_presence_merge *merge);

#endif
