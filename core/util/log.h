/*
 * log.h - the daemon's log: one line an event, to standard error (as text or JSON), to journald or
 * to syslog(3).
 *
 * A line that a peer can cause goes through fr_log_limited(), so that a scanner or a broken
 * vehicle costs one line a minute and not one a message.
 */
#ifndef FR_LOG_H
#define FR_LOG_H

#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "fleetroute/plugin.h"

/* Lines above this level are left out. Safe to call at any time. */
void fr_log_set_level(enum fr_level level);

enum fr_log_format {
    FR_LOG_TEXT,
    FR_LOG_JSON,
    FR_LOG_JOURNALD, /* to journald, with fields; where it is not there, text */
};

/* How lines look from now on. */
void fr_log_set_format(enum fr_log_format format);

/* From now on to syslog (facility daemon) instead of standard error. */
void fr_log_to_syslog(const char *name);

/* The word for a level ("warning"), and back; -1 for no such word. */
const char *fr_log_level_name(enum fr_level level);
int fr_log_level_from(const char *word);

/* Write a line. Thread-safe. Control characters in it are shown as '?'. */
void fr_log(enum fr_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));
void fr_vlog(enum fr_level level, const char *prefix, const char *format, va_list ap)
    __attribute__((format(printf, 3, 0)));

/* State of one place that logs at a bounded rate; static storage, all zero at first. */
struct fr_log_limit {
    _Atomic int64_t next_ms;
    _Atomic uint64_t held;
};

/* Like fr_log, at most once a minute for each limit; the next line tells how many were
 * left out in between. */
void fr_log_limited(struct fr_log_limit *limit, enum fr_level level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
