/* control_client.h - asking a running daemon over its Unix socket. */
#ifndef FR_CONTROL_CLIENT_H
#define FR_CONTROL_CLIENT_H

#include <jansson.h>
#include <stdio.h>

#include "util/error.h"

#ifndef FR_RUN_DIR
#define FR_RUN_DIR "/run/fleetroute"
#endif
#define FR_CONTROL_PATH FR_RUN_DIR "/control.sock"

/* Connect to the socket, send one request line and return a stream to read the answer from.
 * NULL and why. */
FILE *fr_control_ask(const char *path, const char *request, struct fr_error *error);

/* Send one request and read the one object that answers it; the caller drops it. NULL: it
 * failed, and the reason is on standard error behind the command's name. */
json_t *fr_control_order(const char *command, const char *path, const char *request);

#endif
