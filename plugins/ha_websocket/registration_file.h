/*
 * The registration of a vehicle in the sink's state folder, FOLDER/VIN.json: {"webhook": "…",
 * "device_name": "…", "version": "…", "sensors": {"ID": "DIGEST", …}}. The mode is 0600, since the webhook is a
 * secret.
 *
 * Reads and writes block on the disk. Used on the sink's thread.
 */
#ifndef FR_REGISTRATION_FILE_H
#define FR_REGISTRATION_FILE_H

#include <jansson.h>
#include <stdbool.h>

#include "text_buffer.h"

/* Owns its contents. */
struct saved_registration {
    char *webhook;     /* NULL: not registered */
    char *device_name; /* as sent to Home Assistant; NULL: none was sent */
    char *version;     /* of the firmware, as sent to Home Assistant; NULL: none was sent */
    json_t *sensors;   /* registered entities: id to digest of the description; not NULL */
};

/* Read the registration of a vehicle. It is empty if the file does not exist or `folder` is NULL,
 * and if the file is damaged or unreadable; then `why` contains the path and the cause, else `why`
 * is empty. Returns -1 without memory. */
int saved_registration_load(struct saved_registration *saved, const char *folder, const char *vin,
                            struct fr_text_buffer *why);

/* Replace the file atomically. Returns false on failure: `why` contains the path, the cause and the
 * remedy. */
bool saved_registration_save(const struct saved_registration *saved, const char *folder,
                             const char *vin, struct fr_text_buffer *why);

/* Free the contents. */
void saved_registration_clear(struct saved_registration *saved);

#endif
