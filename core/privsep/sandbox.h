/*
 * sandbox.h - Landlock and seccomp confinement of the daemon process and of the key_reader.
 *
 * Landlock: files are written only below some folders, and nothing is executed. seccomp: only the
 * system calls that a network daemon and its plugins need. If the kernel lacks one of the two, the
 * other still applies, and the missing one is logged.
 */
#ifndef FR_SANDBOX_H
#define FR_SANDBOX_H

#include <stdbool.h>
#include <stddef.h>

#include "util/error.h"

/* Confine this process for the rest of its life. Files below the `count` folders stay writable; a
 * folder that does not exist stands for its nearest existing parent. Call before any thread is
 * started. Returns 0, or -1 with `error` set. */
int fr_sandbox_enter(const char *const *folders, size_t count, struct fr_error *error);

/* Whether the sandbox permits writing to `path`; permissions are not considered. Without Landlock
 * the sandbox permits every path. Any thread, after fr_sandbox_enter(). */
bool fr_sandbox_permits_write(const char *path);

/* Confine the key_reader process: it can only open files for reading and send descriptors.
 * Returns 0, or -1 with `error` set. */
int fr_sandbox_enter_key_reader(struct fr_error *error);

#endif
