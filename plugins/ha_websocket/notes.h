/*
 * notes.h - alerts, errors and other records as events of Home Assistant: fleetroute_alert,
 * fleetroute_error, fleetroute_TYPE, or as the route's `as:` says. With `as: notification` what
 * is for the customer's eyes is shown as a persistent notification too, until it has ended.
 * A record may tell of any number of alerts: they are sent as the session has room for commands.
 */
#ifndef FR_NOTES_H
#define FR_NOTES_H

#include "ha_websocket/session.h"

struct notes;

/* NULL: no memory. */
struct notes *notes_new(struct fr_sink *sink, const struct fr_host *host);
void notes_free(struct notes *notes);

/* Send a record; it is answered when Home Assistant has all of it. */
void notes_send(struct notes *notes, struct session *session, struct fr_delivery *delivery);

/* Send on, as far as the session has room: commands were answered. */
void notes_go(struct notes *notes);

/* The connection is gone: what is under way is answered FR_RETRY. */
void notes_lost(struct notes *notes);

#endif
