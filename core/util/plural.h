/* The plural of English nouns in texts for people. */
#ifndef FR_PLURAL_H
#define FR_PLURAL_H

#include <stdint.h>

/* The ending of a regular noun behind a count: "" for 1, else "s". Static text. */
static inline const char *fr_plural(uint64_t count)
{
    return count == 1 ? "" : "s";
}

#endif
