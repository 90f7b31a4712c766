/*
 * Measures TLS and WebSocket handshakes: vehicles connect, disconnect and connect again. Used by
 * tests/bench.
 */
#ifndef FR_LOAD_HANDSHAKES_H
#define FR_LOAD_HANDSHAKES_H

#include <stddef.h>
#include <stdint.h>

#include "sim/test_pki.h"
#include "util/error.h"

/* Make handshakes in the calling thread for `duration_ms`, with `parallel` vehicles. Returns the
 * number of handshakes that succeeded; -1: none, or a vehicle could not be made. */
int64_t fr_load_handshakes(const char *host, uint16_t port, struct fr_pki *pki, size_t parallel,
                           int64_t duration_ms, struct fr_error *error);

#endif
