/*
 * registration.h - what is done once for each vehicle: its registration as a device of Home
 * Assistant's mobile_app, and remembering what came of it in the sink's state folder.
 */
#ifndef FR_REGISTRATION_H
#define FR_REGISTRATION_H

#include <jansson.h>

#include "ha_websocket/peer.h"
#include "text_buffer.h"

/* What is remembered of a vehicle, in FOLDER/VIN.json (mode 0600: the webhook is a secret). */
struct remembered {
    char *webhook;     /* NULL: not registered */
    char *device_name; /* as Home Assistant was told; NULL */
    json_t *sensors;   /* id to a digest of what was registered; never NULL */
};

/* Read it; nothing is there, or no folder (NULL): an empty one. The same with a file that is damaged
 * or cannot be read: then `why` has its path and the cause, else it is empty. -1: no memory. */
int remembered_load(struct remembered *r, const char *folder, const char *vin,
                    struct fr_text_buffer *why);

/* Write it, all or nothing. False: `why` has the path, the cause and the remedy. */
bool remembered_save(const struct remembered *r, const char *folder, const char *vin,
                     struct fr_text_buffer *why);
void remembered_clear(struct remembered *r);

/* A registration: the webhook, or NULL and why. `status` is HTTP's, 0 where there was none. */
typedef void registered(void *ctx, const char *webhook, int status, const char *why);

/* A registration under way. */
struct registration;

/* Ask for it; `body` passes over. `done` is called once, later, unless it is cancelled. NULL: no
 * memory. */
struct registration *registration_ask(const struct peer *peer, struct event_base *base,
                                      const char *address, const char *token, json_t *body,
                                      registered *done, void *ctx);

/* Forget about it; it must not be done yet. NULL is nothing. */
void registration_cancel(struct registration *registration);

#endif
