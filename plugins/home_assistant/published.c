#include "home_assistant/published.h"

enum fr_publish_mode fr_published_mode(const struct fr_published *published,
                                       const struct fr_position *p, int64_t gap_ms)
{
    if (!published->known)
        return FR_PUBLISH_DIRECT; /* no trigger fires: the state before has no coordinates */
    if (published->created_ms > p->created_ms)
        return FR_PUBLISH_NOTHING;
    if (fr_same_position(published->latitude, published->longitude, p->latitude, p->longitude))
        return FR_PUBLISH_DIRECT;
    return published->by_this_session && p->live && p->created_ms - published->created_ms <= gap_ms
               ? FR_PUBLISH_DIRECT
               : FR_PUBLISH_TWO_STEP;
}

void fr_published_update(struct fr_published *published, const struct fr_position *p)
{
    *published = (struct fr_published){true, true, p->latitude, p->longitude, p->created_ms};
}
