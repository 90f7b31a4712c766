/* The contents of struct fr_sim_loop. Internal to core/sim. */
#ifndef FR_SIM_LOOP_STATE_H
#define FR_SIM_LOOP_STATE_H

#include <stdint.h>

#include "ingest/websocket.h"
#include "sim/sim_loop.h"
#include "util/buffer.h"

#define FR_SIM_IN_SIZE (64 * 1024)    /* bytes received at once */
#define FR_SIM_PLAIN_SIZE (17 * 1024) /* more than the plaintext of one TLS record */

/* The buffers are used within one callback of the event loop. */
struct fr_sim_loop {
    struct event_base *base;
    struct fr_ws_pool *pool;
    uint8_t in[FR_SIM_IN_SIZE];       /* ciphertext received */
    uint8_t plain[FR_SIM_PLAIN_SIZE]; /* plaintext of it */
    struct fr_buffer out;             /* ciphertext to send */
    struct fr_buffer envelope, frame; /* the message that is being encrypted */
};

#endif
