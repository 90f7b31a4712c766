/*
 * File and topic names that are made from a pattern: the conversions of strftime(3) in UTC, and
 * %{vin}, %{name} and %{type}. Used by the file and kafka plugins. The functions have no state; any
 * thread may call them.
 */
#ifndef FR_PATH_PATTERN_H
#define FR_PATH_PATTERN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fleetroute/plugin.h"

/*
 * Write the name for a delivery to `to`, NUL-terminated. `ms` is the time for the conversions of
 * strftime(3), in milliseconds since 1970. In values from outside, slashes, tildes (which separate
 * the parts of the names of rotated files), control characters and a leading dot become `_`.
 * Returns false if the name does not fit in `size` bytes; `to` then holds its beginning.
 */
bool fr_pattern_expand(const char *pattern, const struct fr_delivery *delivery, int64_t ms,
                       char *to, size_t size);

/* Check a pattern of the configuration. Returns NULL if it is valid, else a static message. */
const char *fr_pattern_mistake(const char *pattern);

#endif
