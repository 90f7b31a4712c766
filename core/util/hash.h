/* hash.h - a hash of a text for tables inside the process (FNV-1a). */
#ifndef FR_HASH_H
#define FR_HASH_H

#include <stdint.h>

/* `seed` goes into it: 0, or what else the key consists of. */
static inline uint64_t fr_hash_text(const char *text, uint64_t seed)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325) ^ seed;

    for (; *text != '\0'; text++)
        hash = (hash ^ (unsigned char)*text) * UINT64_C(0x100000001b3);
    return hash ^ hash >> 29;
}

#endif
