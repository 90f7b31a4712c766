/*
 * Sends requests to a running daemon over its control socket: one line of text, answered by JSON.
 * core/admin/control_socket.h is the other end.
 */
#ifndef FR_CONTROL_CLIENT_H
#define FR_CONTROL_CLIENT_H

#include <jansson.h>
#include <stdint.h>
#include <stdio.h>

#include "util/error.h"

#ifndef FR_RUN_DIR
#define FR_RUN_DIR "/run/fleetroute"
#endif
#define FR_CONTROL_PATH FR_RUN_DIR "/control.sock"

/* Connect to the socket at `path`, send `request` as one line, and return a stream to read the
 * reply from. The caller closes the stream. NULL on error. */
FILE *fr_control_request(const char *path, const char *request, struct fr_error *error);

/* Send one request and read the reply, one JSON object of max 64 MB, within `limit_ms`. The caller
 * releases it. NULL: `error` is set, also for a reply with the key "error". */
json_t *fr_control_ask(const char *path, const char *request, int64_t limit_ms,
                       struct fr_error *error);

/* Send one request and read the reply, one JSON object; the caller releases it. NULL: an error, or
 * a reply with the key "error", was printed to standard error after the name `command`. */
json_t *fr_control_command(const char *command, const char *path, const char *request);

#endif
