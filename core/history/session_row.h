/*
 * The form of sessions on disk: the row of a session, and the state of a vehicle as a part of its
 * row. Internal to core/history. The functions are thread-safe.
 */
#ifndef FR_HISTORY_SESSION_ROW_H
#define FR_HISTORY_SESSION_ROW_H

#include "history/packing.h"
#include "history/session.h"

/* Write the row of a session. */
void fr_session_encode(const struct fr_session *session, struct fr_buffer *out);

/* Read a row. Returns false if it is no valid session. */
bool fr_session_decode(struct fr_session *session, const void *bytes, size_t len);

/* Append a state to a row, and read it; a read error sets in->failed and resets the state. */
void fr_session_state_pack(const struct fr_session_state *state, struct fr_buffer *out);
void fr_session_state_unpack(struct fr_session_state *state, struct fr_unpack *in);

#endif
