/*
 * guarded.h - do something that may crash or hang in a process of its own, so that a crash is an
 * answer.
 */
#ifndef FR_GUARDED_H
#define FR_GUARDED_H

#include <stdint.h>

#include "util/error.h"

enum fr_guarded {
    FR_GUARDED_WELL,    /* it returned 0 */
    FR_GUARDED_FAILED,  /* it returned another number; `error` is its own */
    FR_GUARDED_CRASHED, /* a signal ended it */
    FR_GUARDED_LATE,    /* it took too long and was killed */
    FR_GUARDED_NOT_RUN, /* no process could be made */
};

/* Run work(ctx, error) in a child process, for max_ms at most; 0: without a limit. The child has
 * copies of everything and must neither log nor wait for a lock of another thread. What it leaves
 * in `error` is handed back, except with FR_GUARDED_WELL. */
enum fr_guarded fr_guarded_run(int (*work)(void *ctx, struct fr_error *error), void *ctx,
                               int64_t max_ms, struct fr_error *error);

#endif
