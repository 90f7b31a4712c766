/*
 * The messages that clients send on a WebSocket, as JSON. Everything is from outside. The functions
 * have no state; any thread may call them.
 */
#ifndef FR_TESLAMATE_CLIENT_MESSAGE_H
#define FR_TESLAMATE_CLIENT_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>

#include "teslamate/request.h"
#include "teslamate/row.h"

#define CLIENT_MESSAGE_MAX 4096 /* bytes of a message */
#define CLIENT_TAG_SIZE 32      /* of a tag with its NUL */

enum client_message_kind {
    CLIENT_SUBSCRIBE,   /* data:subscribe_oauth */
    CLIENT_UNSUBSCRIBE, /* data:unsubscribe */
    CLIENT_UNKNOWN,     /* valid JSON with another msg_type */
    CLIENT_MALFORMED,
};

struct client_message {
    enum client_message_kind kind;
    char tag[CLIENT_TAG_SIZE];      /* VIN or vehicle_id: letters and digits */
    char token[REQUEST_TOKEN_SIZE]; /* "": none */
    struct row_columns columns;
};

/* Read a message of `len` bytes. A subscription without a valid tag is malformed; one without `value`
 * gets all columns. */
void client_message_read(const char *bytes, size_t len, struct client_message *message);

#endif
