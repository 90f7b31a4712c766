/*
 * Names as parts of entity ids.
 */
#ifndef FR_SLUG_H
#define FR_SLUG_H

#include <stddef.h>

/*
 * Convert a name to the form that Home Assistant gives it in an entity id: lower-case letters,
 * digits and single underscores, letters without their accents. Writes at most `size` bytes with
 * the NUL to `slug`; the result is "" for a name without Latin letters and digits. Any thread.
 */
void fr_entity_slug(const char *name, char *slug, size_t size);

#endif
