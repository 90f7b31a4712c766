#include "sink/dead_letter_queue.h"

#include "sink/delivery_list.h"
#include "sink/in_flight.h"
#include "sink/sink_state.h"
#include "sink/wakeup.h"

void fr_dead_letter_enqueue(struct fr_sink *sink, struct delivery *d)
{
    fr_delivery_list_append(&sink->dead_letters.pending, d);
    fr_sink_schedule_after(sink);
}

void fr_dead_letter_abandon(struct fr_sink *sink,
                            void (*skip)(struct fr_sink *sink, struct delivery *d))
{
    struct delivery *d;

    while ((d = fr_delivery_list_pop(&sink->dead_letters.pending)) != NULL)
        skip(sink, d);
}
