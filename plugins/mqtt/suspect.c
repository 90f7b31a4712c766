#include "mqtt/suspect.h"

uint64_t suspect_hash(const char *topic, size_t len)
{
    uint64_t h = 14695981039346656037ULL ^ len; /* FNV-1a */

    for (; *topic != '\0'; topic++)
        h = (h ^ (unsigned char)*topic) * 1099511628211ULL;
    return h != 0 ? h : 1;
}

bool suspect_lost(struct suspect *s, size_t in_flight, uint64_t only, size_t size, int64_t now_ms)
{
    if (in_flight == 0)
        return false;
    if (s->one_at_a_time < in_flight)
        s->one_at_a_time = in_flight;
    if (only == 0)
        return false;
    s->losses = s->hash == only ? s->losses + 1 : 1;
    s->hash = only;
    if (s->losses < SUSPECT_LOSSES)
        return false;
    s->hash = 0;
    s->losses = 0;
    s->hash_refused = only;
    if (size >= SUSPECT_SIZE_MIN && (s->size_refused == 0 || size < s->size_refused))
        s->size_refused = size;
    s->until_ms = now_ms + SUSPECT_REFUSED_MS;
    return true;
}

void suspect_confirmed(struct suspect *s, uint64_t hash)
{
    if (s->one_at_a_time != 0)
        s->one_at_a_time--;
    if (hash != 0 && hash == s->hash) {
        s->hash = 0;
        s->losses = 0;
    }
}

bool suspect_refuses(struct suspect *s, uint64_t hash, size_t size, int64_t now_ms)
{
    if (s->hash_refused != 0 && now_ms >= s->until_ms)
        s->hash_refused = s->size_refused = 0;
    return s->hash_refused != 0 &&
           (hash == s->hash_refused || (s->size_refused != 0 && size >= s->size_refused));
}
