#include "home_assistant/position.h"

#include <math.h>

#define METRES_PER_DEGREE 111194.9 /* of latitude */
#define DEGREES_PER_RADIAN 57.29577951308232

bool fr_position_is_valid(const struct fr_delivery *d)
{
    return d->value.kind == FR_VALUE_LOCATION && fabs(d->value.location.latitude) <= 90 &&
           fabs(d->value.location.longitude) <= 180;
}

bool fr_position_update(struct fr_position *p, const struct fr_delivery *d, int64_t now_ms,
                        int64_t live_ms)
{
    int64_t created = d->created_ms != 0 ? d->created_ms : d->received_ms;

    if (!fr_position_is_valid(d) || (p->known && created < p->created_ms))
        return false;
    *p = (struct fr_position){
        .known = true,
        .latitude = d->value.location.latitude,
        .longitude = d->value.location.longitude,
        .created_ms = created,
        .live = !(d->flags & (FR_FLAG_RESTORED | FR_FLAG_REPEATED)) && now_ms - created <= live_ms,
    };
    return true;
}

bool fr_same_position(double latitude, double longitude, double other_latitude,
                      double other_longitude)
{
    double north = (latitude - other_latitude) * METRES_PER_DEGREE;
    double east =
        (longitude - other_longitude) * METRES_PER_DEGREE * cos(latitude / DEGREES_PER_RADIAN);

    return north * north + east * east < 1;
}
