/* api_values.h - the last values of one vehicle as JSON. Any thread. */
#ifndef FR_API_VALUES_H
#define FR_API_VALUES_H

#include <stdint.h>

#include "journal/last_values.h"
#include "util/buffer.h"

/* Append ,"values":{"Gear":{"value":…,"unit":…,"category":…,"age_ms":…,…},…} and, if it is known,
 * ,"presence":{…}. `values` NULL: ,"values":null. The flags `invalid`, `late` (received a minute or
 * more after its creation) and `restored` (received before start_ms, when the daemon started) are
 * only there if they apply. Times are wall clock, in ms. Returns the number of values and presences;
 * -1 with `error` set. */
int fr_api_put_values(struct fr_buffer *out, struct fr_values *values, const char *vin,
                      int64_t start_ms, int64_t now_ms, struct fr_error *error);

#endif
