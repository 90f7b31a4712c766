/* Returns free memory of the allocator to the kernel. Large messages and their JSON leave free
 * blocks that glibc would otherwise keep for the life of the process. Without malloc_trim(3) both
 * functions do nothing. */
#ifndef FR_HEAP_H
#define FR_HEAP_H

#include <stdint.h>

/* Give each large block its own mapping, which free(3) returns to the kernel. Called by main()
 * before other threads start. */
void fr_heap_set_up(void);

/* Return the allocator's free memory to the kernel, if anonymous memory has grown by at least 8 MB
 * since the last trim and either the daemon is idle or the last trim is a minute ago. `work` is a
 * count that never decreases; the daemon is idle if `work` has not changed since the last call.
 * Called every FR_HEAP_EVERY_MS milliseconds by the main thread. */
#define FR_HEAP_EVERY_MS 2000
void fr_heap_trim(uint64_t work);

#endif
