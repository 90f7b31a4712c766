/* Conversion from the unit on the wire to the unit that a route asks for. */
#ifndef FR_UNITS_H
#define FR_UNITS_H

#include <stdbool.h>
#include <stddef.h>

/* to = from * factor + offset */
struct fr_conversion {
    double factor;
    double offset;
};

/* Compute the conversion between two units of the same quantity, such as "km/h" or "°C"; aliases
 * such as "kmh" and "C" are allowed. Returns false if a unit is unknown or the quantities differ.
 */
bool fr_unit_convert(const char *from, const char *to, struct fr_conversion *conversion);

/* Returns the canonical name of a unit ("km/h" for "kmh"), or NULL if the unit is unknown. */
const char *fr_unit_canonical(const char *unit);

/* Returns the n-th unit to which `from` can be converted, including `from` itself; NULL beyond the
 * last. */
const char *fr_unit_alternative(const char *from, size_t n);

#endif
