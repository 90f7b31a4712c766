/*
 * replay.h - records that `fleetroute replay` sends: each as its length (4 bytes, little-endian)
 * and a stored record (stored_record.h). They go into the journal like a vehicle's.
 */
#ifndef FR_REPLAY_H
#define FR_REPLAY_H

#include <event2/buffer.h>

#include "source/intake.h"

struct fr_replay;

/* stored(owner) is called, on the journal's thread, when fr_replay_stored has grown. */
struct fr_replay *fr_replay_new(struct fr_journal *journal, struct fr_routing *routing,
                                void (*stored)(void *owner), void *owner);
void fr_replay_free(struct fr_replay *replay);

/* Take the records that are whole in `in`, as long as there is room. -1 and why: what is there
 * is no record. */
int fr_replay_take(struct fr_replay *replay, struct evbuffer *in, struct fr_error *error);

/* How many bytes the buffer must be able to hold for the next record. */
size_t fr_replay_needs(const struct fr_replay *replay);

/* Whether the journal was full at the last fr_replay_take(): call it again when there is capacity. */
bool fr_replay_paused(const struct fr_replay *replay);

/* How many are on disk; how many were left out (malformed, or of a vehicle not listed). */
uint64_t fr_replay_stored(const struct fr_replay *replay);
uint64_t fr_replay_left_out(const struct fr_replay *replay);

#endif
