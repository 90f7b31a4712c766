/*
 * Whether a vehicle is awake, as TeslaMate is to see it.
 *
 * A vehicle that sleeps connects now and then for a moment and sends one message. TeslaMate would take
 * it for awake, ask for data, and end its log of the sleep. So a connected vehicle is awake after
 * AWAKE_FRAMES new frames that span AWAKE_SPAN_MS. It stays awake until it is disconnected.
 *
 * The functions have no state beyond the struct; any thread may call them.
 */
#ifndef FR_TESLAMATE_AWAKE_H
#define FR_TESLAMATE_AWAKE_H

#include <stdbool.h>
#include <stdint.h>

#define AWAKE_FRAMES 3
#define AWAKE_SPAN_MS 3000
#define AWAKE_PAUSE_MS 600000 /* a longer pause between two frames starts the count again */

/* All zero: asleep. */
struct awake {
    bool is_awake;
    int frames;                /* counted while it is not awake */
    int64_t first_ms, last_ms; /* time of the first and the last of them */
};

/* A new frame of a connected vehicle: neither resent, late, restored nor repeated. `at_ms`: the time of
 * the measurement. True: the vehicle is awake from now on. */
bool awake_frame(struct awake *awake, int64_t at_ms);

/* The vehicle is disconnected. True: it was awake. */
bool awake_disconnected(struct awake *awake);

#endif
