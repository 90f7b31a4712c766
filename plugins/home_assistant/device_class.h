/*
 * The units that Home Assistant accepts for its device classes.
 */
#ifndef FR_DEVICE_CLASS_H
#define FR_DEVICE_CLASS_H

#include <stdbool.h>

/*
 * Whether Home Assistant accepts `unit` for `device_class`; it rejects an entity with another unit.
 * A NULL unit and classes that are not listed here are accepted. Any thread.
 */
bool fr_class_has_unit(const char *device_class, const char *unit);

#endif
