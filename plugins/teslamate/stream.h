/*
 * The streaming protocol of Tesla's former server on a WebSocket: subscriptions, rows of values, errors
 * and keep-alive messages.
 *
 * A subscription stays until the client ends it, also while the vehicle sleeps: TeslaMate does not
 * subscribe again, because every keep-alive message cancels its timer for it. A subscription to a
 * vehicle that is not known yet begins with the vehicle's first record.
 *
 * Everything runs on the sink's thread.
 */
#ifndef FR_TESLAMATE_STREAM_H
#define FR_TESLAMATE_STREAM_H

#include <stddef.h>
#include <stdint.h>

#include "teslamate/client.h"
#include "teslamate/token_file.h"
#include "teslamate/vehicles.h"

#define STREAM_SUBSCRIPTIONS_MAX 64 /* of one client */

struct stream;

/* Make the protocol's state. `*tokens` is read for each subscription. NULL: no memory. */
struct stream *stream_new(struct token_file *const *tokens);

void stream_free(struct stream *stream);

/* The vehicles and the clients, which exist later than the stream. */
void stream_connect(struct stream *stream, struct vehicles *vehicles, struct clients *clients);

/* For struct clients_handlers. */
void stream_opened(struct stream *stream, struct client *client);
void stream_message(struct stream *stream, struct client *client, const char *text, size_t len);
void stream_tick(struct stream *stream, struct client *client, int64_t now_ms);
void stream_closed(struct stream *stream, struct client *client);

/* For struct vehicles_events. */
void stream_vehicle_added(struct stream *stream, struct vehicle *vehicle);
void stream_vehicle_frame(struct stream *stream, struct vehicle *vehicle);
void stream_vehicle_state(struct stream *stream, struct vehicle *vehicle);

/* Rows sent since the start of the sink. */
unsigned long long stream_rows(const struct stream *stream);

#endif
