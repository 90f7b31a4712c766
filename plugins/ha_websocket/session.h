/*
 * A signed-in session with Home Assistant: commands and their answers over a link. A lost session
 * reconnects with increasing pauses. After a refused token, it reconnects when the token file has
 * changed, or after ten minutes.
 *
 * Protocol: https://developers.home-assistant.io/docs/api/websocket. Used on the sink's thread.
 */
#ifndef FR_SESSION_H
#define FR_SESSION_H

#include <jansson.h>

#include "fleetroute/plugin.h"
#include "ha_websocket/peer.h"

#define SESSION_COMMANDS_MAX 256 /* commands without an answer */

struct session_events {
    void (*ready)(void *ctx);       /* signed in; the receiver reports the health */
    void (*lost)(void *ctx);        /* no longer ready; open commands are not answered */
    void (*on_writable)(void *ctx); /* a command was answered: there may be capacity for another */
};

/* Receives the answer of a command. On success `error` is NULL and `result` is Home Assistant's
 * result; else `error` is its error code ("unknown_command"). Both are valid for the call. */
typedef void session_answer(void *ctx, const json_t *result, const char *error);

struct session;

/* Begin to connect, with the options `url` and `token_file` of the sink. The arguments must outlive
 * the session. NULL: no memory. */
struct session *session_new(struct fr_sink *sink, const struct fr_host *host,
                            const struct peer *peer, const struct session_events *events,
                            void *ctx);

/* End the session without an event; NULL is allowed. */
void session_free(struct session *session);

/* Whether the session is signed in. */
bool session_ready(const struct session *session);

/* Send a command, whose reference passes to the session, and add its id. `answer` may be NULL.
 * Returns false if the session is not ready, has SESSION_COMMANDS_MAX open commands, or without
 * memory; then `answer` is not called. */
bool session_send(struct session *session, json_t *command, session_answer *answer, void *ctx);

/* The number of commands that should still be sent now. */
size_t session_capacity(const struct session *session);

/* The token, and the numeric address of Home Assistant. Call them only while the session is ready.
 */
const char *session_token(const struct session *session);
const char *session_address(const struct session *session);

/* The version of Home Assistant, such as "2024.3.3"; "": unknown. */
const char *session_version(const struct session *session);

#endif
