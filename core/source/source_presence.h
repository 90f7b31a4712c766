/*
 * The presence records of one source, merged over its front-ends (presence_merge.h).
 *
 * A presence record that names its front-end is a statement; it is not put into the journal.
 * Instead, a record is made when the merged presence of the vehicle changes. Presence records without
 * a front-end pass unchanged. `from_connectivity`: connectivity records that do not name a front-end,
 * which are those of Tesla's server, pass and are statements as well.
 *
 * All functions: the thread of the source.
 */
#ifndef FR_SOURCE_PRESENCE_H
#define FR_SOURCE_PRESENCE_H

#include "config/routing_config.h"
#include "journal/journal.h"
#include "source/submit.h"

struct fr_source_presence;

/* Make one; the caller frees it. `name` (of the source, for the log) and the journal must outlive
 * it. */
struct fr_source_presence *fr_source_presence_new(const char *name, struct fr_journal *journal,
                                                  struct fr_routing *routing, int64_t hold_ms,
                                                  bool from_connectivity);

/* Free it. Records that it has made still reach the journal. NULL is ignored. */
void fr_source_presence_free(struct fr_source_presence *presence);

/* Use another routing's list of vehicles. Any thread. */
void fr_source_presence_set_routing(struct fr_source_presence *presence,
                                    struct fr_routing *routing);

/* Put a submission into the journal through `submit`, or enter it as a statement, or both. Returns
 * like fr_submit_record(); FR_SUBMIT_REJECTED with an empty text of `error`: it was a statement, or
 * has FR_SUBMISSION_HISTORY, and nothing of it is stored. */
enum fr_submitted fr_source_presence_submit(struct fr_source_presence *presence,
                                            struct fr_submit *submit,
                                            const struct fr_submission *submission,
                                            struct fr_error *error);

/* The source has submitted all that its origin has, at now_ms (monotonic). */
void fr_source_presence_up_to_date(struct fr_source_presence *presence, int64_t now_ms);

/* Another consumer has this part of the origin from now on. */
void fr_source_presence_drop_part(struct fr_source_presence *presence, uint32_t part);

#endif
