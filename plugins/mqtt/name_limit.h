/*
 * name_limit.h - how many names of alerts and errors a vehicle may have topics for.
 *
 * A broker keeps a retained message for each topic, and a vehicle chooses the names. A vehicle may
 * have NAME_LIMIT_VEHICLE of them, and all vehicles NAME_LIMIT_TOTAL, for the life of the process.
 */
#ifndef FR_MQTT_NAME_LIMIT_H
#define FR_MQTT_NAME_LIMIT_H

#include <stdbool.h>
#include <stdint.h>

#define NAME_LIMIT_VEHICLE 5000
#define NAME_LIMIT_TOTAL 1000000
#define NAME_LIMIT_REST "other_names" /* the name that replaces those beyond the limit */

struct name_limit;

/* Of an empty table; NULL: out of memory. One thread's. */
struct name_limit *name_limit_new(void);

/* NULL is allowed. */
void name_limit_free(struct name_limit *limit);

/* Whether this name (of `kind`, "alerts" or "errors") is within the limits of its vehicle. A name that
 * once was stays so. Without memory for a new name
 * the answer is no. */
bool name_limit_allows(struct name_limit *limit, const char *vin, const char *kind,
                       const char *name);

/* How often the answer was no. */
uint64_t name_limit_refused(const struct name_limit *limit);

#endif
