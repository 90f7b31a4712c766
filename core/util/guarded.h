/* Runs a function that may crash or hang in a child process, so that the caller gets an error
 * instead. */
#ifndef FR_GUARDED_H
#define FR_GUARDED_H

#include <stdint.h>

#include "util/error.h"

enum fr_guarded {
    FR_GUARDED_WELL,    /* the function returned 0 */
    FR_GUARDED_FAILED,  /* the function returned another number and set `error` */
    FR_GUARDED_CRASHED, /* the child process was ended by a signal */
    FR_GUARDED_LATE,    /* the function ran longer than max_ms and was killed */
    FR_GUARDED_NOT_RUN, /* the child process could not be started */
};

/* Run work(ctx, error) in a child process for at most max_ms milliseconds; 0: no limit. The child
 * works on a copy of the memory: its only result is the returned status and the text in its
 * `error`, which is copied to the caller's `error` on FR_GUARDED_FAILED. `work` must neither log
 * nor take a lock, because another thread may have held the lock at the time of fork(). Blocks
 * until the child has ended. `error` is set for every result but FR_GUARDED_WELL. */
enum fr_guarded fr_guarded_run(int (*work)(void *ctx, struct fr_error *error), void *ctx,
                               int64_t max_ms, struct fr_error *error);

#endif
