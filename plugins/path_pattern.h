/*
 * path_pattern.h - names made of a pattern: strftime(3)'s conversions (in UTC) and
 * %{vin}, %{name}, %{type}. Shared by the plugins.
 */
#ifndef PATH_PATTERN_H
#define PATH_PATTERN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fleetroute/plugin.h"

/* Write the name for a delivery to `to`. What a vehicle sent cannot bring in a slash, a leading dot
 * or a tilde, which the names of rotated files have. False: it does not fit. */
bool fr_pattern_expand(const char *pattern, const struct fr_delivery *delivery, int64_t ms,
                       char *to, size_t size);

/* What is wrong with a pattern, in words, or NULL. */
const char *fr_pattern_mistake(const char *pattern);

#endif
