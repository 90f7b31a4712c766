/*
 * The listening socket of a worker: what is accepted, and when accept(2) pauses.
 *
 * Each worker has its own SO_REUSEPORT socket. While accept(2) pauses, new connections wait in the
 * kernel's queue.
 */
#ifndef FR_LISTENER_H
#define FR_LISTENER_H

#include <event2/util.h>
#include <stdint.h>

#include "ingest/ingest_state.h"
#include "util/error.h"

/* Connections in the kernel's queue of one worker at most: the handshakes of some 4 s of a core. A
 * longer queue would only hold vehicles whose own time limit ends before their turn; the kernel drops
 * their first packets instead, and they try again. */
#define FR_LISTENER_BACKLOG 4096

/* Bind a socket without listening. `address` is a numeric IP address; port 0: any free port. Returns
 * the descriptor, which the caller closes, or -1 and the cause in *error. */
int fr_listener_bind(const char *address, uint16_t port, struct fr_error *error);

/* The port to which a socket is bound; 0: unknown. */
uint16_t fr_listener_port(int fd);

/* Listen on the worker's socket: from now on peers can connect. -1 and the cause in *error. */
int fr_listener_listen(const struct fr_worker *worker, struct fr_error *error);

/* Accept waiting connections. A libevent callback on the worker's thread; ctx is the worker. */
void fr_listener_ready(evutil_socket_t listener, short events, void *ctx);

/* If all descriptors are in use, close half-open connections above fr_limits_half_open_max(), in the
 * order of fr_limits_rank(), as far as they may be closed at now_ms (monotonic): other workers need
 * these descriptors. The worker's thread. */
void fr_listener_trim(struct fr_worker *worker, int64_t now_ms);

/* Start or pause accept(2) as the worker's state asks for. The worker's thread. */
void fr_listener_update(struct fr_worker *worker);

#endif
