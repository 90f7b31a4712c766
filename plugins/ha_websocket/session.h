/*
 * session.h - talking to Home Assistant: a link, signed in, with commands that are answered.
 * It comes back by itself with growing pauses; with a token that is refused only when the token
 * file has changed, or after ten minutes.
 */
#ifndef FR_SESSION_H
#define FR_SESSION_H

#include <jansson.h>

#include "fleetroute/plugin.h"
#include "ha_websocket/peer.h"

/* Commands under way at a time. */
#define SESSION_COMMANDS_MAX 256

struct session_events {
    void (*ready)(void *ctx); /* signed in; the hub reports the health */
    void (*lost)(void *ctx);  /* it was ready and is not any more; commands are not answered */
    void (*room)(void *ctx);  /* a command was answered: there may be room for another */
};

/* A command's answer: `error` is NULL and `result` what Home Assistant returned, or `error` is
 * its code ("unknown_command"). Both belong to the caller of this. */
typedef void session_answer(void *ctx, const json_t *result, const char *error);

struct session;

/* Begin to connect with the sink's options. NULL: no memory. */
struct session *session_new(struct fr_sink *sink, const struct fr_host *host,
                            const struct peer *peer, const struct session_events *events,
                            void *ctx);
void session_free(struct session *session);

bool session_ready(const struct session *session);

/* Send a command, whose reference passes to the session; the id is put into it. False: there is
 * no room, or no connection; nothing will be answered. */
bool session_send(struct session *session, json_t *command, session_answer *answer, void *ctx);

/* How many commands there is room for. */
size_t session_room(const struct session *session);

/* The token, and where Home Assistant answered; while it is ready. */
const char *session_token(const struct session *session);
const char *session_address(const struct session *session);

/* "2024.3.3" */
const char *session_version(const struct session *session);

#endif
