/* Returns free memory of the allocator to the kernel. Large messages and their JSON, and connections
 * that end, leave free blocks that glibc would otherwise keep for the life of the process. Without
 * malloc_trim(3) both functions do nothing. */
#ifndef FR_HEAP_H
#define FR_HEAP_H

#include <stddef.h>
#include <stdint.h>

/* Give each large block its own mapping, which free(3) returns to the kernel. Called by main()
 * before other threads start. */
void fr_heap_set_up(void);

/* Return the allocator's free memory to the kernel, if there may be 8 MB of it and either the daemon
 * is idle or the last trim is a minute ago. There may be if anonymous memory has grown by that much
 * since the last trim, or if so many connections have ended. `work` is a count that never decreases;
 * the daemon is idle if `work` has not changed since the last call. `connections` is the present
 * number of connections. Called every FR_HEAP_EVERY_MS milliseconds by the main thread. Other threads
 * wait for the memory of their arena meanwhile. */
#define FR_HEAP_EVERY_MS 2000
void fr_heap_trim(uint64_t work, size_t connections);

#endif
