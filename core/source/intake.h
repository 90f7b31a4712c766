/*
 * intake.h - records that come from elsewhere than a vehicle's connection, on their way into
 * the journal: checked like a vehicle's, and counted when they are on disk.
 */
#ifndef FR_INTAKE_H
#define FR_INTAKE_H

#include <stdbool.h>
#include <stddef.h>

#include "config/routing_config.h"
#include "journal/journal.h"

struct fr_intake;

/* `repeats`: a record that is in the journal already is appended once more. stored(ctx, count) is called, on the journal's thread, when the next `count` of the records
 * submitted are on disk. */
struct fr_intake *fr_intake_new(struct fr_journal *journal, struct fr_routing *routing,
                                bool repeats, void (*stored)(void *ctx, size_t count), void *ctx);

/* No more is submitted and stored() is not called again; what is under way still gets there. */
void fr_intake_free(struct fr_intake *intake);

/* The list of vehicles to follow from now on. Any thread. */
void fr_intake_set_routing(struct fr_intake *intake, struct fr_routing *routing);

/* Put a record aside. FR_SUBMIT_LEFT comes with the reason. One thread's, as the next. */
enum fr_submitted fr_intake_submit(struct fr_intake *intake, const struct fr_submission *submission,
                                   struct fr_error *error);

/* Hand what was put aside to the journal. */
void fr_intake_flush(struct fr_intake *intake);

#endif
