#include "home_assistant/shown.h"

enum fr_telling fr_shown_telling(const struct fr_shown *shown, const struct fr_position *p,
                                 int64_t gap_ms)
{
    if (!shown->known)
        return FR_TELL_AS_SEEN; /* a tracker without a place sets off nothing either way */
    if (shown->created_ms > p->created_ms)
        return FR_TELL_NOTHING;
    if (fr_same_place(shown->latitude, shown->longitude, p->latitude, p->longitude))
        return FR_TELL_AS_SEEN;
    return shown->ours && p->live && p->created_ms - shown->created_ms <= gap_ms ? FR_TELL_AS_SEEN
                                                                                 : FR_TELL_AS_HEARD;
}

void fr_shown_told(struct fr_shown *shown, const struct fr_position *p)
{
    *shown = (struct fr_shown){true, true, p->latitude, p->longitude, p->created_ms};
}
