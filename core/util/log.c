#include "util/log.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "util/buffer.h"
#include "util/clock.h"
#include "util/json_text.h"
#include "util/systemd.h"

#define LIMIT_INTERVAL_MS 60000
#define SUBJECT_SIZE 80

static const char *const level_names[] = {"error", "warning", "notice", "info", "debug"};
static const int syslog_levels[] = {LOG_ERR, LOG_WARNING, LOG_NOTICE, LOG_INFO, LOG_DEBUG};

static _Atomic int highest = FR_LOG_INFO;
static _Atomic bool to_syslog;
static _Atomic int form = FR_LOG_TEXT;

void fr_log_set_level(enum fr_level level)
{
    atomic_store(&highest, (int)level);
}

void fr_log_set_format(enum fr_log_format format)
{
    atomic_store(&form,
                 (int)(format == FR_LOG_JOURNALD && !fr_journald_open() ? FR_LOG_TEXT : format));
}

void fr_log_to_syslog(const char *name)
{
    openlog(name, LOG_PID | LOG_NDELAY, LOG_DAEMON);
    atomic_store(&to_syslog, true);
}

const char *fr_log_level_name(enum fr_level level)
{
    return level_names[level];
}

int fr_log_level_from(const char *word)
{
    for (size_t i = 0; i < sizeof level_names / sizeof *level_names; i++)
        if (strcasecmp(word, level_names[i]) == 0)
            return (int)i;
    return -1;
}

/* A peer's text must not forge a second line or steer a terminal. */
static void make_printable(char *text)
{
    for (unsigned char *p = (unsigned char *)text; *p != '\0'; p++)
        if (*p < 0x20 || *p == 0x7f)
            *p = '?';
}

/* What a line is about: "sink home: …" and "source cars is …" have a subject and a name. */
static const char *subject_of(const char *text, char name[SUBJECT_SIZE])
{
    static const char *const subjects[] = {"sink", "source"};

    for (size_t i = 0; i < sizeof subjects / sizeof *subjects; i++) {
        size_t len = strlen(subjects[i]);

        if (strncmp(text, subjects[i], len) == 0 && text[len] == ' ') {
            snprintf(name, SUBJECT_SIZE, "%.*s", (int)strcspn(text + len + 1, " :"),
                     text + len + 1);
            return subjects[i];
        }
    }
    return NULL;
}

static void put_json(struct fr_buffer *line, const char *at, enum fr_level level, const char *text)
{
    char name[SUBJECT_SIZE];
    const char *subject = subject_of(text, name);

    fr_buffer_printf(line, "{\"time\":\"%s\",\"level\":\"%s\"", at, level_names[level]);
    if (subject != NULL) {
        fr_buffer_printf(line, ",\"%s\":", subject);
        fr_json_string(line, name, strlen(name));
    }
    fr_buffer_text(line, ",\"message\":");
    fr_json_string(line, text, strlen(text));
    fr_buffer_byte(line, '}');
}

/* One write(2), so that lines of several threads do not mix. Nobody to tell if it fails. */
static void write_line(enum fr_level level, const char *text)
{
    struct fr_buffer line = {0};
    struct timespec now;
    struct tm tm;
    char at[64];

    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &tm);
    snprintf(at, sizeof at, "%04d-%02d-%02dT%02d:%02d:%02d.%03ldZ", tm.tm_year + 1900,
             tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, now.tv_nsec / 1000000);
    if (atomic_load(&form) == FR_LOG_JSON)
        put_json(&line, at, level, text);
    else
        fr_buffer_printf(&line, "%s %s: %s", at, level_names[level], text);
    fr_buffer_byte(&line, '\n');
    if (!line.failed && write(STDERR_FILENO, line.bytes, line.len) < 0) {
        /* Nobody to tell. */
    }
    fr_buffer_free(&line);
}

static void put_line(enum fr_level level, char *text)
{
    char name[SUBJECT_SIZE];
    const char *subject;

    make_printable(text);
    if (atomic_load(&to_syslog)) {
        syslog(syslog_levels[level], "%s", text);
        return;
    }
    subject = subject_of(text, name);
    if (atomic_load(&form) != FR_LOG_JOURNALD ||
        !fr_journald_send(syslog_levels[level], text, subject, name))
        write_line(level, text);
}

void fr_vlog(enum fr_level level, const char *prefix, const char *format, va_list ap)
{
    char text[1024], message[1024];

    if ((int)level > atomic_load_explicit(&highest, memory_order_relaxed))
        return;
    vsnprintf(message, sizeof message, format, ap);
    if (snprintf(text, sizeof text, "%s%s", prefix, message) >= 0)
        put_line(level, text);
}

void fr_log(enum fr_level level, const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    fr_vlog(level, "", format, ap);
    va_end(ap);
}

void fr_log_limited(struct fr_log_limit *limit, enum fr_level level, const char *format, ...)
{
    int64_t now = fr_monotonic_ms();
    int64_t next = atomic_load_explicit(&limit->next_ms, memory_order_relaxed);
    uint64_t held;
    char prefix[64] = "";
    va_list ap;

    if (now < next ||
        !atomic_compare_exchange_strong(&limit->next_ms, &next, now + LIMIT_INTERVAL_MS)) {
        atomic_fetch_add_explicit(&limit->held, 1, memory_order_relaxed);
        return;
    }
    held = atomic_exchange(&limit->held, 0);
    if (held != 0)
        snprintf(prefix, sizeof prefix, "(%llu more like this before) ", (unsigned long long)held);
    va_start(ap, format);
    fr_vlog(level, prefix, format, ap);
    va_end(ap);
}
