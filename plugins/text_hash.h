/* text_hash.h - a hash of a text for tables inside a plugin (FNV-1a, folded). */
#ifndef FR_TEXT_HASH_H
#define FR_TEXT_HASH_H

#include <stdint.h>

static inline uint32_t fr_text_hash(const char *text)
{
    uint32_t hash = 2166136261u;

    for (; *text != '\0'; text++)
        hash = (hash ^ (unsigned char)*text) * 16777619u;
    return hash ^ hash >> 16;
}

#endif
