/*
 * Limits the names of alerts and errors that get a topic of their own.
 *
 * A broker stores a retained message for each topic, and vehicles choose the names. A vehicle may
 * use NAME_LIMIT_VEHICLE names, and all vehicles together NAME_LIMIT_TOTAL, while the sink is open.
 * The table belongs to one thread.
 */
#ifndef FR_MQTT_NAME_LIMIT_H
#define FR_MQTT_NAME_LIMIT_H

#include <stdbool.h>
#include <stdint.h>

#define NAME_LIMIT_VEHICLE 5000
#define NAME_LIMIT_TOTAL 1000000
#define NAME_LIMIT_REST "other_names" /* the name that replaces those beyond the limit */

struct name_limit;

/* Create an empty table. NULL: no memory. */
struct name_limit *name_limit_new(void);

/* NULL is allowed. */
void name_limit_free(struct name_limit *limit);

/* Whether this name is within the limits; `kind` is "alerts" or "errors". An allowed name stays
 * allowed. Without memory, a new name is not allowed. */
bool name_limit_allows(struct name_limit *limit, const char *vin, const char *kind,
                       const char *name);

/* Number of calls that returned false. */
uint64_t name_limit_refused(const struct name_limit *limit);

#endif
