/*
 * One alert of a vehicle, as a Home Assistant event. An alert is live if an automation may act on
 * it: it has not ended, began at most `age_ms` ago, and is not the repetition of an alert that was
 * live before. All texts of an alert are from outside.
 *
 * Used on the sink's thread.
 */
#ifndef FR_ALERT_H
#define FR_ALERT_H

#include <jansson.h>

#include "fleetroute/plugin.h"

#define FR_ALERT_NAME_SIZE 128 /* bytes, with the NUL */

struct fr_alert {
    /* The vehicle's name of the alert, such as VCSEC_a133_alarmTriggered. Letters, digits, `_`, `.`
     * and `-`; any other byte is replaced by `_`. A longer name is cut. */
    char name[FR_ALERT_NAME_SIZE];
    const char *kind;   /* a static text, one of fr_alert_kinds */
    int64_t started_ms; /* since 1970; 0: unknown */
    bool live;
};

/* The kinds of alerts: "alarm", "door_handle", "other"; ends with NULL. */
extern const char *const fr_alert_kinds[];

/* The live alerts of the last time, of all vehicles of a sink. A table of constant size: where two
 * alerts have the same place, the older one is forgotten, and could be live once more. */
struct fr_alert_log;

/* NULL: no memory. */
struct fr_alert_log *fr_alert_log_new(void);

/* NULL is allowed. */
void fr_alert_log_free(struct fr_alert_log *log);

/*
 * Read an element of `alerts` of a record of alerts (fleetroute's JSON). `now_ms`: wall clock. A
 * delivery that is tried again has the same result, unless the alert became too old meanwhile.
 * Returns false if the element has no name.
 */
bool fr_alert_read(struct fr_alert *alert, const json_t *json, const struct fr_delivery *delivery,
                   struct fr_alert_log *log, int64_t now_ms, int64_t age_ms);

#endif
