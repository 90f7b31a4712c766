/*
 * heap.h - memory that is free is returned to the kernel.
 *
 * Large messages and their JSON leave the allocator with free memory that it would keep for ever.
 * Without glibc both functions do nothing.
 */
#ifndef FR_HEAP_H
#define FR_HEAP_H

#include <stdint.h>

/* Let each large block have a mapping of its own, which free(3) returns. Called by main(), before
 * there are threads. */
void fr_heap_set_up(void);

/* Return the allocator's free memory, if it has grown much since the last call that did so, and
 * the daemon is idle (`work`, a count that never goes down, is as it was at the last call) or a
 * minute has passed. Called every FR_HEAP_EVERY_MS by the main thread. */
#define FR_HEAP_EVERY_MS 2000
void fr_heap_trim(uint64_t work);

#endif
