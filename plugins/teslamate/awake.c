#include "teslamate/awake.h"

bool awake_frame(struct awake *awake, int64_t at_ms)
{
    if (awake->is_awake)
        return false;
    if (awake->frames == 0 || at_ms < awake->first_ms || at_ms - awake->last_ms > AWAKE_PAUSE_MS) {
        awake->frames = 0;
        awake->first_ms = at_ms;
    }
    if (awake->frames < AWAKE_FRAMES)
        awake->frames++;
    awake->last_ms = at_ms;
    awake->is_awake = awake->frames == AWAKE_FRAMES && at_ms - awake->first_ms >= AWAKE_SPAN_MS;
    return awake->is_awake;
}

bool awake_disconnected(struct awake *awake)
{
    bool was = awake->is_awake;

    *awake = (struct awake){0};
    return was;
}
