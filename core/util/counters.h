/* Counters of the daemon. Each thread counts in its own array without locks; a read adds the arrays
 * of all threads. A counter never decreases. The names are those of `fleetroute status`. The
 * counters of one record type each (RECORDS_V and following, BYTES_V and following) are in the
 * order of enum fr_record_type; record_types.c asserts this. */
#ifndef FR_COUNTERS_H
#define FR_COUNTERS_H

#include <stdint.h>

#define FR_COUNTERS(X)                                                                             \
    X(CONNECTIONS, "connections_accepted")                                                         \
    X(CONNECTIONS_CLOSED, "connections_closed")                                                    \
    X(CONNECTIONS_REFUSED, "connections_over_limit")                                               \
    X(OUT_OF_DESCRIPTORS, "times_out_of_descriptors")                                              \
    X(HALF_OPEN_CLOSED, "half_open_connections_closed_for_others")                                 \
    X(SOURCE_OVER_LIMIT, "half_open_connections_over_limit_of_source")                             \
    X(VIN_OVER_LIMIT, "connections_over_limit_of_vin")                                             \
    X(PROXY_HEADERS, "connections_with_proxy_header")                                              \
    X(PROXY_REFUSED, "proxy_headers_refused")                                                      \
    X(HANDSHAKE_FAILED, "tls_handshakes_failed")                                                   \
    X(REVOKED, "connections_closed_as_revoked")                                                    \
    X(HANDSHAKE_TIMEOUT, "handshakes_timed_out")                                                   \
    X(HANDSHAKE_LEFT, "handshakes_left_while_waiting")                                             \
    X(WITHOUT_CERTIFICATE_SERVED, "without_certificate_served")                                    \
    X(WITHOUT_CERTIFICATE_REFUSED, "without_certificate_refused")                                  \
    X(IDENTITY_REFUSED, "identities_refused")                                                      \
    X(VIN_REFUSED, "vins_not_listed")                                                              \
    X(UPGRADE_REFUSED, "http_upgrades_refused")                                                    \
    X(WEBSOCKET_ERROR, "websocket_protocol_errors")                                                \
    X(WEBSOCKET_TEXT, "websocket_text_refused")                                                    \
    X(MESSAGE_TOO_BIG, "messages_too_big")                                                         \
    X(WRITE_ERRORS, "socket_write_errors")                                                         \
    X(REPLIES_UNREAD, "connections_closed_with_replies_unread")                                    \
    X(PEER_TIMEOUT, "connections_closed_as_silent")                                                \
    X(MESSAGES, "messages")                                                                        \
    X(ENVELOPE_BAD, "envelopes_malformed")                                                         \
    X(ENVELOPE_UNKNOWN, "envelopes_of_unknown_kind")                                               \
    X(PAYLOAD_BAD, "payloads_malformed")                                                           \
    X(CREATED_AHEAD, "records_created_in_the_future")                                              \
    X(TOPIC_UNKNOWN, "records_of_unknown_topics")                                                  \
    X(SENDER_MISMATCH, "senders_mismatched")                                                       \
    X(RECORDS, "records")                                                                          \
    X(RECORD_BYTES, "record_bytes")                                                                \
    X(RECORDS_V, "records_v")                                                                      \
    X(RECORDS_ALERTS, "records_alerts")                                                            \
    X(RECORDS_ERRORS, "records_errors")                                                            \
    X(RECORDS_CONNECTIVITY, "records_connectivity")                                                \
    X(RECORDS_PRESENCE, "records_presence")                                                        \
    X(RECORDS_OTHER, "records_other")                                                              \
    X(BYTES_V, "record_bytes_v")                                                                   \
    X(BYTES_ALERTS, "record_bytes_alerts")                                                         \
    X(BYTES_ERRORS, "record_bytes_errors")                                                         \
    X(BYTES_CONNECTIVITY, "record_bytes_connectivity")                                             \
    X(BYTES_PRESENCE, "record_bytes_presence")                                                     \
    X(BYTES_OTHER, "record_bytes_other")                                                           \
    X(RECORDS_UNROUTED, "records_without_route")                                                   \
    X(ACKS, "acknowledged")                                                                        \
    X(ACKS_MISSED, "acknowledgements_missed")                                                      \
    X(ERROR_REPLIES, "error_replies")                                                              \
    X(VEHICLES_PAUSED, "vehicles_paused")                                                          \
    X(OUT_OF_MEMORY, "records_refused_without_memory")                                             \
    X(VALUES_AS_SENT, "values_without_their_canonical_type")                                       \
    X(TAIL_DROPPED, "records_skipped_by_tail")                                                     \
    X(STREAM_DROPPED, "records_skipped_by_streams")                                                \
    X(DUPLICATES, "duplicates_skipped")                                                            \
    X(JOURNAL_DROPPED, "journal_records_deleted_undelivered")                                      \
    X(JOURNAL_DAMAGED, "journal_records_damaged")                                                  \
    X(JOURNAL_MISSING, "journal_records_missing")                                                  \
    X(VALUES_OVER_BOUND, "last_values_over_bound")                                                 \
    X(VALUES_REBUILT, "last_values_rebuilt")                                                       \
    X(HISTORY_POINTS, "history_values_stored")                                                     \
    X(HISTORY_OVER_BOUND, "history_values_over_bound")                                             \
    X(HISTORY_OUT_OF_RANGE, "history_values_out_of_range")                                         \
    X(HISTORY_VEHICLES_OVER, "history_records_of_vehicles_over_bound")                             \
    X(HISTORY_MISSED, "history_records_missed")                                                    \
    X(HISTORY_DAMAGED, "history_rows_damaged")                                                     \
    X(HISTORY_REBUILT, "history_rebuilt")                                                          \
    X(HISTORY_REQUESTS, "history_requests")                                                        \
    X(HISTORY_REQUESTS_FAILED, "history_requests_failed")                                          \
    X(DEAD_LETTERS, "dead_letters")                                                                \
    X(DEAD_LETTERS_DELETED, "dead_letters_deleted")                                                \
    X(DEAD_LETTERS_RESENT, "dead_letters_resent")                                                  \
    X(DEAD_LETTERS_DROPPED, "dead_letters_dropped")                                                \
    X(ADMIN_CLOSED, "admin_connections_closed_for_others")                                         \
    X(ADMIN_PAGES_REFUSED, "admin_requests_of_other_sites")                                        \
    X(ADMIN_TOKENS_WRONG, "admin_tokens_mismatched")                                               \
    X(ADMIN_TRIES_REFUSED, "admin_tokens_refused")                                                 \
    X(RELOADS, "reloads")                                                                          \
    X(RELOADS_FAILED, "reloads_refused")                                                           \
    X(SOURCE_RECORDS, "records_from_sources")                                                      \
    X(SOURCE_BAD, "source_messages_malformed")                                                     \
    X(SOURCE_VIN_BAD, "source_records_without_valid_vin")                                          \
    X(SOURCE_STRANGERS, "source_records_of_vins_not_listed")                                       \
    X(PRESENCE_SUPPRESSED, "presence_away_suppressed")                                             \
    X(PRESENCE_EXPIRED, "presence_leases_expired")                                                 \
    X(PRESENCE_UNMERGED, "presence_unmerged")

enum fr_counter {
#define FR_COUNTER_ENUM(id, name) FR_COUNT_##id,
    FR_COUNTERS(FR_COUNTER_ENUM)
#undef FR_COUNTER_ENUM
        FR_COUNTER_END
};

/* Add `n` to a counter. Any thread. */
void fr_count_add(enum fr_counter counter, uint64_t n);

/* Add one to a counter. Any thread. */
static inline void fr_count(enum fr_counter counter)
{
    fr_count_add(counter, 1);
}

/* Returns the sum over all threads, including those that have ended. Any thread. */
uint64_t fr_count_read(enum fr_counter counter);

/* Returns the name of a counter ("messages"), a static text. */
const char *fr_count_name(enum fr_counter counter);

#endif
