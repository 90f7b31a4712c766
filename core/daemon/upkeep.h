/*
 * What `fleetroute keep` did, as the daemon publishes it: reads FOLDER/state.json of `tesla:` when it
 * is displayed. Main thread.
 */
#ifndef FR_UPKEEP_H
#define FR_UPKEEP_H

#include <stdbool.h>
#include <stdint.h>

#include "config/server_types.h"
#include "fleet_api/keep_health.h"
#include "fleet_api/state.h"

/* Min time between two calls of stat(2) on the file, in ms. */
#define FR_UPKEEP_EVERY_MS 10000

struct fr_upkeep;

struct fr_upkeep *fr_upkeep_new(void);
void fr_upkeep_free(struct fr_upkeep *upkeep);

struct fr_upkeep_status {
    const struct fr_state *state; /* valid until the next call */
    struct fr_keep_health health; /* VINs in `why` are redacted if redaction is on */
    char failure[512];            /* of the state, likewise */
};

/* Get the state of the section `tesla`. The file is read again only if it changed. A file that
 * cannot be read is a warning; the state then is the last one that was read. Returns false without
 * the section. */
bool fr_upkeep_status(struct fr_upkeep *upkeep, const struct fr_tesla_config *tesla,
                      struct fr_upkeep_status *status);

/* The state of the section `tesla`, read again if the file changed. NULL: there is no section, or the file cannot be
 * read. Valid until the next call. */
const struct fr_state *fr_upkeep_state(struct fr_upkeep *upkeep,
                                       const struct fr_tesla_config *tesla);

#endif
