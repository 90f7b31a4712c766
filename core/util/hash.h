/* hash.h - a hash of bytes or a text for tables inside the process (FNV-1a). */
#ifndef FR_HASH_H
#define FR_HASH_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* `seed` goes into it: 0, or what else the key consists of. */
static inline uint64_t fr_hash_bytes(const void *bytes, size_t len, uint64_t seed)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325) ^ seed;
    const unsigned char *at = bytes;

    for (size_t i = 0; i < len; i++)
        hash = (hash ^ at[i]) * UINT64_C(0x100000001b3);
    return hash ^ hash >> 29;
}

/* The same of a text. */
static inline uint64_t fr_hash_text(const char *text, uint64_t seed)
{
    return fr_hash_bytes(text, strlen(text), seed);
}

#endif
