/* units.h - from the unit on the wire to the unit that a route asks for. */
#ifndef FR_UNITS_H
#define FR_UNITS_H

#include <stdbool.h>
#include <stddef.h>

/* to = from * factor + offset */
struct fr_conversion {
    double factor;
    double offset;
};

/* How to get from one unit to another of the same quantity; both as in "km/h" or "°C" (also
 * "C", "kmh", "kph"). False: not the same quantity, or a unit that is not known. */
bool fr_unit_convert(const char *from, const char *to, struct fr_conversion *conversion);

/* The usual way to write a unit ("kmh" becomes "km/h"), or NULL when it is not known. */
const char *fr_unit_canonical(const char *unit);

/* The n-th unit into which `from` can be converted, itself included; NULL past the last. */
const char *fr_unit_alternative(const char *from, size_t n);

#endif
