/* client_id.h - what tells two installations apart that have a sink of the same name. */
#ifndef FR_MQTT_CLIENT_ID_H
#define FR_MQTT_CLIENT_ID_H

#include <stdbool.h>

#include "fleetroute/plugin.h"
#include "text_buffer.h"

#define CLIENT_ID_DIGITS 8

/* The installation's hexadecimal digits, kept in FOLDER/client-id. */
struct client_id {
    struct fr_sink *sink;
    const struct fr_host *host;
    char digits[CLIENT_ID_DIGITS + 1];
    bool kept;                 /* they are on the disk: the next start has the same */
    struct fr_text_buffer why; /* they are not: with the path and the remedy */
};

/* Read the digits; where there are none, or the file is damaged (which is logged), draw them and
 * keep them. */
void client_id_open(struct client_id *id, struct fr_sink *sink, const struct fr_host *host);

/* Every second: try again to keep them if that failed. True: `kept` or `why` has changed. */
bool client_id_tend(struct client_id *id);

void client_id_free(struct client_id *id);

#endif
