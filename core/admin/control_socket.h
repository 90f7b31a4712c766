/*
 * control_socket.h - the daemon's Unix socket, for `fleetroute tail` and `fleetroute status`.
 *
 * A client sends one line and reads lines of JSON:
 *   status                     one object, then the end
 *   tail [redact] [vin=VIN]    every record from now on, as fr_json_record writes it
 * A client that does not keep up misses records and is told how many: {"missed":N}.
 */
#ifndef FR_CONTROL_SOCKET_H
#define FR_CONTROL_SOCKET_H

#include <event2/event.h>

#include "route/routes.h"
#include "util/buffer.h"
#include "util/error.h"

struct fr_control;

/* Listen on `path` (mode 0660; a socket left behind by a dead daemon is replaced). status()
 * appends the answer to `status`. NULL and why. */
struct fr_control *fr_control_new(struct event_base *base, const char *path,
                                  struct fr_routes *routes,
                                  void (*status)(void *ctx, struct fr_buffer *out), void *ctx,
                                  struct fr_error *error);

/* Close it and every client; no worker may run any more. */
void fr_control_free(struct fr_control *control);

#endif
