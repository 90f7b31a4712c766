/*
 * How a vehicle's position must be published to Home Assistant, so that an old position never
 * triggers a zone automation.
 *
 * A zone trigger compares the new state of a tracker with the state before, and does nothing if one
 * of the two has no coordinates (Home Assistant, components/zone/trigger.py, in all known
 * releases). A position that is not live is therefore published in two steps: first no position
 * (unknown, or unavailable), then the position.
 *
 * The functions are called on the sink's thread.
 */
#ifndef FR_PUBLISHED_H
#define FR_PUBLISHED_H

#include "home_assistant/position.h"

/* The position of a vehicle that Home Assistant displays. */
struct fr_published {
    bool known;
    bool by_this_session; /* published since the connection was made; false: read back from it */
    double latitude, longitude;
    int64_t created_ms; /* since 1970; 0: unknown */
};

enum fr_publish_mode {
    FR_PUBLISH_NOTHING, /* Home Assistant displays a newer position */
    FR_PUBLISH_DIRECT,  /* one step: zone triggers may fire */
    FR_PUBLISH_TWO_STEP /* no position first: zone triggers do not fire */
};

/* The mode in which to publish a position. After `gap_ms` without a published position, the
 * movement in between is not live and FR_PUBLISH_TWO_STEP is returned. */
enum fr_publish_mode fr_published_mode(const struct fr_published *published,
                                       const struct fr_position *position, int64_t gap_ms);

/* Record that a position was published. */
void fr_published_update(struct fr_published *published, const struct fr_position *position);

#endif
