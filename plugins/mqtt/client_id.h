/* client_id.h - what tells two installations apart that have a sink of the same name. */
#ifndef FR_MQTT_CLIENT_ID_H
#define FR_MQTT_CLIENT_ID_H

#include <stdbool.h>

#define CLIENT_ID_DIGITS 8

/* Read the installation's hexadecimal digits from FOLDER/client-id, or draw them and write them there.
 * `digits` is terminated. False, with errno set: they could not be kept, and another start draws
 * others. */
bool client_id_digits(const char *folder, char digits[CLIENT_ID_DIGITS + 1]);

#endif
