#include "util/heap.h"

#ifdef HAVE_MALLOC_TRIM
#include <malloc.h>
#include <stdbool.h>
#include <stddef.h>

#include "util/clock.h"
#include "util/process.h"

#define LARGE_BLOCK (256 * 1024) /* bytes from which on a block has its own mapping */
#define TOP_KEPT (1024 * 1024)   /* free bytes that stay at the end of an arena */
#define GROWN_KB 8192            /* growth since the last trim that causes a trim */
#define ENDED 600                /* connections that ended since then which do, of 14 kB each */
#define ENDED_IDLE 100           /* the same while the daemon is idle */
#define BUSY_EVERY_MS 60000      /* min time between trims while the daemon is not idle */

static long trimmed_kb; /* anonymous memory after the last trim, or at the start */

void fr_heap_set_up(void)
{
    trimmed_kb = fr_anonymous_kb();
    /* A fixed threshold disables glibc's dynamic one, which rises up to 32 MB when large blocks are
     * freed. */
    mallopt(M_MMAP_THRESHOLD, LARGE_BLOCK);
    mallopt(M_TRIM_THRESHOLD, TOP_KEPT);
}

void fr_heap_trim(uint64_t work, size_t connections)
{
    static uint64_t last_work;
    static size_t max_connections; /* since the last trim */
    static int64_t last_trim_ms;
    bool idle = work == last_work;
    long now_kb = fr_anonymous_kb();

    last_work = work;
    if (now_kb < trimmed_kb)
        trimmed_kb = now_kb;
    if (connections > max_connections)
        max_connections = connections;
    if ((now_kb < trimmed_kb + GROWN_KB &&
         max_connections < connections + (idle ? ENDED_IDLE : ENDED)) ||
        (!idle && fr_monotonic_ms() < last_trim_ms + BUSY_EVERY_MS))
        return;
    malloc_trim(0);
    max_connections = connections;
    trimmed_kb = fr_anonymous_kb();
    last_trim_ms = fr_monotonic_ms();
}

#else

void fr_heap_set_up(void)
{
}

void fr_heap_trim(uint64_t work, size_t connections)
{
    (void)work, (void)connections;
}

#endif
