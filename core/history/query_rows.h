/*
 * Sessions, alerts, connections and signals as JSON. Internal to core/history. The functions return
 * 0, or -1 with the error of the query set.
 */
#ifndef FR_HISTORY_QUERY_ROWS_H
#define FR_HISTORY_QUERY_ROWS_H

#include "history/query_state.h"
#include "history/session.h"

/* Append ,"sessions":[…], ,"alerts":[…] or ,"connections":[…]: the newest `points` rows of the range,
 * newest first. Unknown numbers are null.
 *   {"kind":"drive","open":false,"begin":ms,"end":ms,"distance_mi":…,"energy_kwh":…,
 *    "soc_begin":…,"soc_end":…,"max_speed_mph":…,"from":{"lat":…,"lon":…},"to":{…}}
 *   {"kind":"charge",…,"charger_energy_kwh":…,"dc":false,"max_power_kw":…,"at":{…}}
 *   {"name":…,"begin":ms,"end":ms or null,"audiences":["Customer"]}
 *   {"at":ms,"connected":true,"of":"vehicle" or "connection","network":"wifi"} */
int fr_query_sessions(struct fr_history_query *query);
int fr_query_alerts(struct fr_history_query *query);
int fr_query_connections(struct fr_history_query *query);

/* Append the members of a session without braces. */
void fr_query_put_session(struct fr_buffer *out, const struct fr_session *session);

/* Find the last session of a kind that began before the end of the range. Returns whether there is
 * one. */
bool fr_query_last_session(struct fr_history_query *query, enum fr_session_kind kind,
                           struct fr_session *session);

/* Append ,"signals":N,"usd":…,"signals_per_usd":N,"days":[{"day":"2026-11-29","signals":N}],
 * "fields":[{"field":"Soc","signals":N,"usd":…}]. Fields that are not in the catalogue are one field
 * with the name null. Days are in UTC. */
int fr_query_signals(struct fr_history_query *query);

#endif
