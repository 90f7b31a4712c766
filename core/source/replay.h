/*
 * The records that `fleetroute replay` sends over the control socket: each as its length (4 bytes,
 * little-endian) and a stored record (journal/stored_record.h). They go into the journal like those
 * of a vehicle, even if the journal already has them.
 *
 * All functions are called on the thread of the control socket.
 */
#ifndef FR_REPLAY_H
#define FR_REPLAY_H

#include <event2/buffer.h>

#include "source/submit.h"

struct fr_replay;

/* Make a replay. stored(owner) is called on the journal's thread when fr_replay_stored() has grown.
 * The journal must outlive the replay; the routing is referenced. The caller frees the replay. */
struct fr_replay *fr_replay_new(struct fr_journal *journal, struct fr_routing *routing,
                                void (*stored)(void *owner), void *owner);

/* Free a replay; stored() is not called again. NULL is ignored. */
void fr_replay_free(struct fr_replay *replay);

/* Submit and drain the complete records at the beginning of `in`, until the journal is full. -1
 * with `error` set: the bytes are not a stored record. */
int fr_replay_take(struct fr_replay *replay, struct evbuffer *in, struct fr_error *error);

/* Bytes that the input buffer must be able to hold for the next record, with its length. */
size_t fr_replay_needs(const struct fr_replay *replay);

/* Whether the journal was full at the last fr_replay_take(). Call that again when the journal has
 * capacity. */
bool fr_replay_paused(const struct fr_replay *replay);

/* Records that are on disk. */
uint64_t fr_replay_stored(const struct fr_replay *replay);

/* Records that were rejected: malformed, or of a vehicle that is not listed. */
uint64_t fr_replay_skipped(const struct fr_replay *replay);

#endif
