#include "util/log.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <syslog.h>
#include <unistd.h>

#include "util/buffer.h"
#include "util/clock.h"
#include "util/json_text.h"
#include "util/systemd.h"

#define LIMIT_INTERVAL_MS 60000
#define SUBJECT_SIZE 80

static const char *const level_names[] = {"error", "warning", "notice", "info", "debug"};
static const int syslog_levels[] = {LOG_ERR, LOG_WARNING, LOG_NOTICE, LOG_INFO, LOG_DEBUG};

static _Atomic int max_level = FR_LOG_INFO;
static _Atomic bool to_syslog;
static _Atomic int log_format = FR_LOG_TEXT;

void fr_log_set_level(enum fr_level level)
{
    atomic_store(&max_level, (int)level);
}

void fr_log_set_format(enum fr_log_format format)
{
    atomic_store(&log_format,
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

/* Replace control characters, so that the text of a peer cannot forge a second line or send escape
 * sequences to a terminal. */
static void log_make_printable(char *text)
{
    for (unsigned char *p = (unsigned char *)text; *p != '\0'; p++)
        if (*p < 0x20 || *p == 0x7f)
            *p = '?';
}

/* Returns the subject of a line ("sink" or "source") and writes its name to `name`, if the line
 * begins like "sink home: …" or "source cars is …"; else NULL. */
static const char *log_subject_of(const char *text, char name[SUBJECT_SIZE])
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

static void log_put_json(struct fr_buffer *line, int64_t now_ms, enum fr_level level,
                         const char *text)
{
    char name[SUBJECT_SIZE];
    const char *subject = log_subject_of(text, name);

    fr_buffer_text(line, "{\"time\":");
    fr_json_time_ms(line, now_ms);
    fr_buffer_printf(line, ",\"level\":\"%s\"", level_names[level]);
    if (subject != NULL) {
        fr_buffer_printf(line, ",\"%s\":", subject);
        fr_json_string(line, name, strlen(name));
    }
    fr_buffer_text(line, ",\"message\":");
    fr_json_string(line, text, strlen(text));
    fr_buffer_byte(line, '}');
}

/* Write a line with one write(2), so that the lines of several threads do not mix. */
static void log_write_line(enum fr_level level, const char *text)
{
    struct fr_buffer line = {0};
    int64_t now_ms = fr_wall_ms();

    if (atomic_load(&log_format) == FR_LOG_JSON)
        log_put_json(&line, now_ms, level, text);
    else {
        fr_rfc3339_ms(&line, now_ms);
        fr_buffer_printf(&line, " %s: %s", level_names[level], text);
    }
    fr_buffer_byte(&line, '\n');
    if (!line.failed && write(STDERR_FILENO, line.bytes, line.len) < 0) {
        /* An error of the log cannot be logged. */
    }
    fr_buffer_free(&line);
}

static void log_put_line(enum fr_level level, char *text)
{
    char name[SUBJECT_SIZE];
    const char *subject;

    log_make_printable(text);
    if (atomic_load(&to_syslog)) {
        syslog(syslog_levels[level], "%s", text);
        return;
    }
    subject = log_subject_of(text, name);
    if (atomic_load(&log_format) != FR_LOG_JOURNALD ||
        !fr_journald_send(syslog_levels[level], text, subject, name))
        log_write_line(level, text);
}

void fr_vlog(enum fr_level level, const char *prefix, const char *format, va_list ap)
{
    char text[1024], message[1024];

    if ((int)level > atomic_load_explicit(&max_level, memory_order_relaxed))
        return;
    vsnprintf(message, sizeof message, format, ap);
    if (snprintf(text, sizeof text, "%s%s", prefix, message) >= 0)
        log_put_line(level, text);
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
    uint64_t suppressed;
    char prefix[64] = "";
    va_list ap;

    if (now < next ||
        !atomic_compare_exchange_strong(&limit->next_ms, &next, now + LIMIT_INTERVAL_MS)) {
        atomic_fetch_add_explicit(&limit->suppressed, 1, memory_order_relaxed);
        return;
    }
    suppressed = atomic_exchange(&limit->suppressed, 0);
    if (suppressed != 0)
        snprintf(prefix, sizeof prefix, "(%llu similar lines suppressed) ",
                 (unsigned long long)suppressed);
    va_start(ap, format);
    fr_vlog(level, prefix, format, ap);
    va_end(ap);
}
