/* FNV-1a hash for hash tables inside the process. Not a security hash: a peer that chooses the keys
 * can make them collide, unless the seed is secret. */
#ifndef FR_HASH_H
#define FR_HASH_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Hash `len` bytes. `seed` is 0, or a hash of the other parts of the key. */
static inline uint64_t fr_hash_bytes(const void *bytes, size_t len, uint64_t seed)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325) ^ seed;
    const unsigned char *at = bytes;

    for (size_t i = 0; i < len; i++)
        hash = (hash ^ at[i]) * UINT64_C(0x100000001b3);
    return hash ^ hash >> 29;
}

/* Hash a NUL-terminated text, without its NUL. */
static inline uint64_t fr_hash_text(const char *text, uint64_t seed)
{
    return fr_hash_bytes(text, strlen(text), seed);
}

#endif
