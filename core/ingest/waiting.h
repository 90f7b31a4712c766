/*
 * How many handshakes wait, in a header of its own because the public functions and the internal
 * structs of this folder both need it.
 */
#ifndef FR_WAITING_H
#define FR_WAITING_H

#include <stddef.h>
#include <stdint.h>

/* Sums over all workers, at most one tick (0.5 s) old. */
struct fr_handshakes_waiting {
    size_t queued;        /* accepted connections whose handshake waits for CPU time */
    size_t in_kernel;     /* connections that wait for accept(2) */
    size_t in_kernel_max; /* the smallest maximum of in_kernel of one worker; 0: unknown */
    int in_kernel_full;   /* the number of workers at their maximum */
    int64_t longest_ms;   /* the longest wait that was seen at the last tick */
};

#endif
