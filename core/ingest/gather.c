#include "ingest/gather.h"

#define INTERVAL_MS 50 /* in which messages are counted */
#define TARGET 8       /* messages that a wait is to gather */
#define MIN_MESSAGES 2 /* a wait that gathers fewer on average only delays them */
#define MIN_WAIT_MS 2  /* at a higher rate a pass has several messages in any case */

static int gather_wait_for(unsigned messages, int64_t elapsed_ms)
{
    int64_t wait_ms = messages != 0 ? TARGET * elapsed_ms / messages : 0;

    if (wait_ms > FR_GATHER_MAX_MS)
        wait_ms = FR_GATHER_MAX_MS;
    return wait_ms >= MIN_WAIT_MS && messages * wait_ms >= MIN_MESSAGES * elapsed_ms ? (int)wait_ms
                                                                                     : 0;
}

int fr_gather_wait_ms(struct fr_gather *gather, int64_t now_ms)
{
    int64_t elapsed_ms = now_ms - gather->since_ms;

    if (elapsed_ms < INTERVAL_MS)
        return gather->wait_ms;
    gather->wait_ms = gather_wait_for(gather->messages, elapsed_ms);
    gather->messages = 0;
    gather->since_ms = now_ms;
    return gather->wait_ms;
}
