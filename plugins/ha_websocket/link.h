/*
 * link.h - one WebSocket to Home Assistant: connect, upgrade, and then texts both ways. A link
 * that has ended is freed and a new one made.
 */
#ifndef FR_LINK_H
#define FR_LINK_H

#include "ha_websocket/peer.h"

struct link_events {
    void (*up)(void *ctx);
    void (*text)(void *ctx, const char *text, size_t len);
    void (*lost)(void *ctx, const char *why); /* the last one */
};

struct link;

/* Begin to connect. NULL and why: it cannot even begin. No event comes before it returns. */
struct link *link_new(const struct peer *peer, struct event_base *base,
                      const struct link_events *events, void *ctx, char *why, size_t why_size);

/* Hang up. May be called in an event. NULL is nothing. */
void link_free(struct link *link);

/* Send a text. False: no memory. */
bool link_send(struct link *link, const char *text, size_t len);

/* The address that answered, for people and for a second connection. */
const char *link_address(const struct link *link);

#endif
