/*
 * Registers a vehicle as a device of Home Assistant's mobile_app integration, with one HTTP request
 * (https://developers.home-assistant.io/docs/api/native-app-integration/setup).
 *
 * Used on the sink's thread.
 */
#ifndef FR_REGISTRATION_H
#define FR_REGISTRATION_H

#include <jansson.h>

#include "ha_websocket/peer.h"

/* Receives the result: `webhook` is the id of the new webhook, or NULL with a message in `why`.
 * `status` is the HTTP status; 0: there was no answer. The texts are valid for the call. */
typedef void registration_done(void *ctx, const char *webhook, int status, const char *why);

/* A request without an answer. */
struct registration;

/* Send a registration to `address`, with `body`, whose reference passes to the request. `done` is
 * called once after the call has returned, unless the request is cancelled. NULL: no memory. */
struct registration *registration_start(const struct peer *peer, struct event_base *base,
                                        const char *address, const char *token, json_t *body,
                                        registration_done *done, void *ctx);

/* Cancel a request before `done` was called; NULL is allowed. */
void registration_cancel(struct registration *registration);

#endif
