/*
 * Records that do not come from a vehicle's connection (source plugins, `fleetroute replay`), on
 * their way into the journal: checked like records of a vehicle, and counted when they are on disk.
 *
 * A submit belongs to one submitter. Its functions are called by one thread at a time, except
 * where they say otherwise.
 */
#ifndef FR_SUBMIT_H
#define FR_SUBMIT_H

#include <stdbool.h>
#include <stddef.h>

#include "config/routing_config.h"
#include "journal/journal.h"

struct fr_submit;

/* Make a submit. `repeats`: a record that the journal already has is appended once more instead of
 * being dropped as a duplicate. stored(ctx, count) is called on the journal's thread, with the
 * submit's lock held, when another `count` of the submitted records are on disk. The journal must
 * outlive the submit; the routing is referenced. */
struct fr_submit *fr_submit_new(struct fr_journal *journal, struct fr_routing *routing,
                                bool repeats, void (*stored)(void *ctx, size_t count), void *ctx);

/* Flush the batch and free the submit; stored() is not called again. Records that are not yet on
 * disk still reach the journal. NULL is ignored. */
void fr_submit_free(struct fr_submit *submit);

/* Use the list of vehicles and the topics of another routing from now on. Any thread. */
void fr_submit_set_routing(struct fr_submit *submit, struct fr_routing *routing);

/* Add a record to the batch; the submission is copied. FR_SUBMIT_AGAIN: the journal is full, submit
 * the record again when it has capacity. FR_SUBMIT_REJECTED: `error` has the reason. */
enum fr_submitted fr_submit_record(struct fr_submit *submit, const struct fr_submission *submission,
                                   struct fr_error *error);

/* Whether the journal has capacity, or the batch has begun. */
bool fr_submit_has_capacity(const struct fr_submit *submit);

/* The two halves of fr_submit_record(): make the record, which the caller owns, after the same
 * checks; NULL with `error` set, and counted, where that returns FR_SUBMIT_REJECTED. Add it to the
 * batch, which takes over the reference. */
struct fr_record *fr_submit_make_record(struct fr_submit *submit,
                                        const struct fr_submission *submission,
                                        struct fr_error *error);
void fr_submit_add(struct fr_submit *submit, struct fr_record *record);

/* Enqueue the batch to the journal. */
void fr_submit_flush(struct fr_submit *submit);

#endif
