/*
 * One WebSocket connection to Home Assistant (RFC 6455): connects, upgrades, and transfers text
 * messages. A link whose connection has ended is not used again.
 *
 * Used on the sink's thread.
 */
#ifndef FR_LINK_H
#define FR_LINK_H

#include "ha_websocket/peer.h"

struct link_events {
    void (*up)(void *ctx); /* the upgrade is complete */
    void (*text)(void *ctx, const char *text, size_t len);
    void (*lost)(void *ctx, const char *why); /* the connection has ended; no event follows */
};

struct link;

/* Begin to connect. `peer` and `events` must outlive the link. No event is reported before the call
 * returns. Returns NULL with a message in `why` on failure. May block on name resolution. */
struct link *link_new(const struct peer *peer, struct event_base *base,
                      const struct link_events *events, void *ctx, char *why, size_t why_size);

/* Close the connection. May be called within an event; NULL is allowed. */
void link_free(struct link *link);

/* Send a text message. Returns false if the link is not up, or without memory. */
bool link_send(struct link *link, const char *text, size_t len);

/* The numeric address that the link is connected to; owned by the link. */
const char *link_address(const struct link *link);

#endif
