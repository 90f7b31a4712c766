/*
 * FNV-1a hash of a text, folded, for hash tables inside a plugin. It does not resist chosen
 * collisions.
 */
#ifndef FR_TEXT_HASH_H
#define FR_TEXT_HASH_H

#include <stdint.h>

/* The hash of a NUL-terminated text. Any thread. */
static inline uint32_t fr_text_hash(const char *text)
{
    uint32_t hash = 2166136261u;

    for (; *text != '\0'; text++)
        hash = (hash ^ (unsigned char)*text) * 16777619u;
    return hash ^ hash >> 16;
}

#endif
