/* Positions as JSON. Internal to core/history. */
#ifndef FR_HISTORY_QUERY_TRACK_H
#define FR_HISTORY_QUERY_TRACK_H

#include "history/query_state.h"

/* Append ,"t":[…],"lat":[…],"lon":[…] of a field with positions, at most `points` of the request.
 * Returns 0, or -1 with the error of the query set. */
int fr_query_positions(struct fr_history_query *query, uint32_t field);

#endif
