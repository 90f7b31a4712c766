/* The values of chosen fields as JSON. Internal to core/history. */
#ifndef FR_HISTORY_QUERY_FIELDS_H
#define FR_HISTORY_QUERY_FIELDS_H

#include "history/query_state.h"

/* Append ,"series":[…], one object for each field of the request:
 *   {"field":"Soc","kind":"numbers","unit":"%","level":"minute",
 *    "t":[…],"avg":[…],"min":[…],"max":[…],"last":[…]}
 *   {"field":"Gear","kind":"states","t":[…],"v":["P",…],"skipped":0}
 *   {"field":"Location","kind":"positions","t":[…],"lat":[…],"lon":[…]}
 * Times are ms since 1970. A number stands for all values of one of `points` intervals; t is the time
 * of the newest. The level is "raw", "minute" or "ten_minutes". A state is valid until the next one;
 * the first one may be older than the range. Returns 0, or -1 with the error of the query set. */
int fr_query_fields(struct fr_history_query *query, int64_t keep_ms, int64_t now_ms);

#endif
