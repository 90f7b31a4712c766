/*
 * The vehicles' side: listening sockets, worker threads, connections.
 *
 * Each worker is a thread with its own event base and its own SO_REUSEPORT socket; a connection
 * stays on the worker that accepted it. Records go to the worker's dispatch. Functions are called on
 * the control thread unless noted.
 */
#ifndef FR_INGEST_H
#define FR_INGEST_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ingest/ack_delays.h"
#include "ingest/ingest_settings.h"
#include "ingest/presence.h"
#include "ingest/waiting.h"
#include "route/routes.h"
#include "util/error.h"

struct fr_ingest;

/* Bind the sockets, which may need a privilege that the process drops afterwards. Peers cannot
 * connect yet. settings->address must outlive the ingest. NULL and the cause in *error; else the
 * caller frees the result with fr_ingest_free(). */
struct fr_ingest *fr_ingest_bind(const struct fr_ingest_settings *settings, struct fr_error *error);

/* Listen and start the workers, which take references to the context. The routes must outlive the
 * ingest or be replaced. -1 and the cause in *error: the ingest can then only be freed. */
int fr_ingest_start(struct fr_ingest *ingest, SSL_CTX *context, struct fr_routes *routes,
                    struct fr_error *error);

/* Apply new settings (all but address, port and workers; no worker uses the former public key when
 * this returns), a context for new connections, and new
 * routes. Returns when no worker uses the old routes. Closes only the connections of vehicles that
 * are no longer listed or whose certificate is revoked. */
void fr_ingest_update(struct fr_ingest *ingest, const struct fr_ingest_settings *settings,
                      SSL_CTX *context, struct fr_routes *routes);

/* The journal or a sink has capacity again: workers paused by backpressure check it. Any thread. */
void fr_ingest_on_writable(struct fr_ingest *ingest);

/* The vehicle was connected before a restart; see fr_presence_expect(). */
void fr_ingest_expect(struct fr_ingest *ingest, const char *vin);

/* The vehicle sent its last record before a restart, at wall_ms (wall clock). */
void fr_ingest_restore_last_seen(struct fr_ingest *ingest, const char *vin, int64_t wall_ms);

/* Which vehicles are connected; owned by the ingest. Any thread. */
struct fr_presence *fr_ingest_presence(struct fr_ingest *ingest);

/* The port on which vehicles can connect. Any thread. */
uint16_t fr_ingest_port(const struct fr_ingest *ingest);

/* The number of open WebSockets. Any thread. */
size_t fr_ingest_connections(const struct fr_ingest *ingest);

/* The number of other connections: in a TLS handshake, in an upgrade, closing. Any thread. */
size_t fr_ingest_half_open(const struct fr_ingest *ingest);

/* How many handshakes wait, and how long. Any thread. */
struct fr_handshakes_waiting fr_ingest_handshakes_waiting(const struct fr_ingest *ingest);

/* The number of clients without a certificate whose TLS handshake is complete. Any thread. */
size_t fr_ingest_without_certificate(const struct fr_ingest *ingest);

/* Whether new connections wait because no file descriptor is free for them. Any thread. */
bool fr_ingest_out_of_descriptors(const struct fr_ingest *ingest);

/* The number of messages whose envelope has this type and no stream message. Any thread. */
uint64_t fr_ingest_unknown_messages(uint8_t type);

/* Add the acknowledgements of all workers since the start to `counts`, by their delay. Any thread. */
void fr_ingest_ack_delays(const struct fr_ingest *ingest, uint64_t counts[FR_ACK_DELAY_CLASSES]);

/* Accept and read nothing more. Records that sinks confirm are still acknowledged to vehicles. */
void fr_ingest_quiesce(struct fr_ingest *ingest);

/* Close every connection (code 1001) and join the threads. Sinks may still confirm records. */
void fr_ingest_stop(struct fr_ingest *ingest);

/* Stop and free the ingest. Sinks that hold its records must be stopped before. */
void fr_ingest_free(struct fr_ingest *ingest);

#endif
