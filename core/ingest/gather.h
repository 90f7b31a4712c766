/*
 * How long a worker waits between two passes of its event loop, so that a pass has several messages.
 *
 * A pass costs about as much CPU time as a message: the thread is woken and polls. So a worker that is
 * woken for single messages of a steady stream waits some milliseconds after each pass. It does not
 * wait when few messages come, so that a single one is read at once, nor when a pass has many messages
 * in any case. Only messages count whose acknowledgement waits for the journal or a sink.
 *
 * One struct belongs to one worker and its thread.
 */
#ifndef FR_GATHER_H
#define FR_GATHER_H

#include <stdint.h>

/* Maximum of a wait. */
#define FR_GATHER_MAX_MS 16

struct fr_gather {
    int64_t since_ms;  /* monotonic: begin of the interval in which `messages` are counted */
    unsigned messages; /* received in it, and to be acknowledged later */
    int wait_ms;       /* the wait that follows from the last interval; 0: none */
};

/* The wait after a pass that ends at now_ms (monotonic), in milliseconds; 0: none. */
int fr_gather_wait_ms(struct fr_gather *gather, int64_t now_ms);

#endif
