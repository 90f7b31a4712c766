/*
 * http_streams.h - records as server-sent events: GET …?vin=VIN&type=TOPIC&field=NAME.
 *
 * Each event has the JSON of fr_json_record(), as `fleetroute tail` prints it. A browser that reads
 * too slowly, or a filter that selects more records than FR_HTTP_STREAM_RATE, loses records: the
 * event `dropped` has their number. A comment is sent after 15 s without an event. A client that
 * takes no byte for 30 s is disconnected. A stream ends with its session.
 *
 * Thread of the event loop.
 */
#ifndef FR_HTTP_STREAMS_H
#define FR_HTTP_STREAMS_H

#include "admin/http_admin_state.h"
#include "admin/record_feed.h"

#define FR_HTTP_STREAM_RATE 100                  /* records in a second */
#define FR_HTTP_STREAM_BURST 50                  /* records that wait to be sent */
#define FR_HTTP_STREAM_BYTES ((size_t)128 << 10) /* that wait to be sent or read */

/* `feed` must outlive the result; at most `max` streams are open. Returns NULL with `error` set. */
struct fr_http_streams *fr_http_streams_new(struct event_base *base, struct fr_record_feed *feed,
                                            size_t max, struct fr_error *error);

/* Close all streams. Called before evhttp_free(). NULL is ignored. */
void fr_http_streams_free(struct fr_http_streams *streams);

/* Answer a request with a stream, which ends with the session of this number (0: with none). The
 * connection no longer counts in admin->clients. */
void fr_http_streams_open(struct fr_http_admin *admin, struct evhttp_request *request,
                          const char *query, unsigned session);

/* End all streams: the token was replaced. */
void fr_http_streams_end_all(struct fr_http_streams *streams);

/* End the streams of a session. */
void fr_http_streams_end_session(struct fr_http_streams *streams, unsigned session);

/* Open streams. */
size_t fr_http_streams_count(const struct fr_http_streams *streams);

#endif
