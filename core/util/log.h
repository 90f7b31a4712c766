/* The log of the daemon: one line for each event, to standard error (as text or JSON), to journald
 * or to syslog(3). A line that a peer can cause is written with fr_log_limited(), so that a scanner
 * or a faulty vehicle causes at most one line a minute. */
#ifndef FR_LOG_H
#define FR_LOG_H

#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "fleetroute/plugin.h"

/* Skip lines of a higher (less severe) level from now on. Any thread, at any time. */
void fr_log_set_level(enum fr_level level);

enum fr_log_format {
    FR_LOG_TEXT,
    FR_LOG_JSON,
    FR_LOG_JOURNALD, /* entries with fields to journald; text if journald is not running */
};

/* Set the format of lines from now on. Main thread. */
void fr_log_set_format(enum fr_log_format format);

/* Write lines to syslog(3), facility daemon, instead of standard error from now on. `name` is the
 * program's name; it must stay valid. */
void fr_log_to_syslog(const char *name);

/* Returns the word for a level ("warning"). */
const char *fr_log_level_name(enum fr_level level);

/* Returns the level for a word in any case; -1 if the word is none. */
int fr_log_level_from(const char *word);

/* Write a line from a printf(3) format. Control characters are written as '?'. The line is cut at
 * 1023 bytes. fr_vlog() puts `prefix` before the text. Any thread. */
void fr_log(enum fr_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));
void fr_vlog(enum fr_level level, const char *prefix, const char *format, va_list ap)
    __attribute__((format(printf, 3, 0)));

/* Rate limit of one log statement; in static storage, initially all zero. */
struct fr_log_limit {
    _Atomic int64_t next_ms; /* monotonic time from which on a line is written again */
    _Atomic uint64_t suppressed;
};

/* Write a line like fr_log(), but at most one a minute for each limit. The next line states the
 * number of suppressed lines. Any thread. */
void fr_log_limited(struct fr_log_limit *limit, enum fr_level level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
