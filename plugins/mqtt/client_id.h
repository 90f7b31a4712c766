/*
 * Random digits of the default MQTT client id. They distinguish two installations whose sinks have
 * the same name, and are saved in the sink's state folder. All functions run on the sink's thread.
 */
#ifndef FR_MQTT_CLIENT_ID_H
#define FR_MQTT_CLIENT_ID_H

#include <stdbool.h>

#include "fleetroute/plugin.h"
#include "text_buffer.h"

#define CLIENT_ID_DIGITS 8

/* Hexadecimal digits, saved in FOLDER/client-id. */
struct client_id {
    struct fr_sink *sink;
    const struct fr_host *host;
    char digits[CLIENT_ID_DIGITS + 1];
    bool saved;                /* on disk: the next start uses the same digits */
    struct fr_text_buffer why; /* not saved: the reason, with path and remedy */
};

/* Read the saved digits. Without a file, or with a damaged one (which is logged), generate digits
 * and save them. A failure is logged; see `saved`. */
void client_id_open(struct client_id *id, struct fr_sink *sink, const struct fr_host *host);

/* Save the digits if that failed before; call about once a second. True: `saved` or `why`
 * changed. */
bool client_id_retry(struct client_id *id);

/* Free what client_id_open() allocated; an all-zero struct is allowed. */
void client_id_free(struct client_id *id);

#endif
