/*
 * sandbox.h - what the kernel no longer lets this process do, whoever steers it.
 *
 * Landlock: nothing is written outside some folders, nothing is executed. seccomp: only the
 * system calls that a network daemon and its plugins need. Where the kernel lacks one of them, the
 * other still holds; what is missing is logged.
 */
#ifndef FR_SANDBOX_H
#define FR_SANDBOX_H

#include <stdbool.h>
#include <stddef.h>

#include "util/error.h"

/* Enter it, for good, before any thread is started. What is below `folders` may be written; one
 * that is not there yet stands for the nearest above it that is. -1 and why. */
int fr_sandbox_enter(const char *const *folders, size_t count, struct fr_error *error);

/* Whether a path may be written as far as the sandbox goes. */
bool fr_sandbox_lets_write(const char *path);

/* The keeper's, which opens files and nothing else. -1 and why. */
int fr_sandbox_keeper(struct fr_error *error);

#endif
