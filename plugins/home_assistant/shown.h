/*
 * shown.h - how a vehicle's place may be told to Home Assistant so that a zone automation acts
 * on what happens and never on what is only heard of.
 *
 * A zone trigger compares a tracker's new state with the one before, and does nothing if one of
 * the two has no coordinates (Home Assistant, components/zone/trigger.py: true of all releases we
 * know). So a place that is news to Home Assistant, and not to the world, is told in two steps:
 * first no place (unknown, or unavailable), then the place.
 */
#ifndef FR_SHOWN_H
#define FR_SHOWN_H

#include "home_assistant/vehicles.h"

/* What Home Assistant shows. */
struct fr_shown {
    bool known;
    bool ours; /* we told it since the connection was made; else it is from before */
    double latitude, longitude;
    int64_t created_ms; /* 0: not known */
};

enum fr_telling {
    FR_TELL_NOTHING, /* what is shown is newer */
    FR_TELL_AS_SEEN,
    FR_TELL_AS_HEARD, /* in two steps */
};

/* How to tell a position. Movements that nobody reported for `gap_ms` are heard of, not seen. */
enum fr_telling fr_shown_telling(const struct fr_shown *shown, const struct fr_position *position,
                                 int64_t gap_ms);

/* Note that a position was told. */
void fr_shown_told(struct fr_shown *shown, const struct fr_position *position);

#endif
