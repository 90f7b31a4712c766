/* What a plugin may call: thin functions over the sink that it belongs to. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "record/json.h"
#include "sink/sink_state.h"
#include "util/clock.h"
#include "util/files.h"
#include "util/log.h"
#include "util/memory.h"

#define LINES_A_MINUTE 60

/* A plugin may say something for each delivery; the log must not drown in it. */
static bool may_log(struct fr_sink *sink)
{
    int64_t now = fr_monotonic_ms();

    if (now - sink->log_minute >= 60000) {
        if (sink->log_lines > LINES_A_MINUTE)
            fr_log(FR_LOG_WARNING, "sink %s: %u more lines were left out", sink->settings.name,
                   sink->log_lines - LINES_A_MINUTE);
        sink->log_minute = now;
        sink->log_lines = 0;
    }
    return ++sink->log_lines <= LINES_A_MINUTE;
}

static void host_log(struct fr_sink *sink, enum fr_level level, const char *format, ...)
{
    char prefix[96];
    va_list ap;

    if (level < FR_LOG_DEBUG && !may_log(sink))
        return;
    snprintf(prefix, sizeof prefix, "sink %s: ", sink->settings.name);
    va_start(ap, format);
    fr_vlog(level, prefix, format, ap);
    va_end(ap);
}

static void host_health(struct fr_sink *sink, enum fr_health health, const char *format, ...)
{
    enum fr_health before;
    va_list ap;

    pthread_mutex_lock(&sink->status_lock);
    before = sink->health;
    sink->health = health;
    va_start(ap, format);
    vsnprintf(sink->why, sizeof sink->why, format, ap);
    va_end(ap);
    if (health != FR_HEALTH_UP) {
        memcpy(sink->last_error, sink->why, sizeof sink->last_error);
        sink->last_error_ms = fr_wall_ms();
    }
    pthread_mutex_unlock(&sink->status_lock);
    if ((before != FR_HEALTH_UP && health == FR_HEALTH_UP) ||
        (before == FR_HEALTH_DOWN && health == FR_HEALTH_DEGRADED)) {
        /* What waits for another try need not wait for the pause that grew meanwhile. */
        sink->retry_pause_ms = 0;
        if (event_pending(sink->retry_timer, EV_TIMEOUT, NULL))
            event_active(sink->retry_timer, EV_TIMEOUT, 1);
    }
    if (before != health)
        fr_log(health == FR_HEALTH_UP ? FR_LOG_NOTICE : FR_LOG_WARNING, "sink %s is %s: %s",
               sink->settings.name, fr_health_word(health), sink->why);
}

static void host_fail(struct fr_sink *sink, struct fr_delivery *delivery, enum fr_outcome outcome,
                      const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    fr_delivery_note_failure(sink, format, ap);
    va_end(ap);
    fr_delivery_done(sink, delivery, outcome);
}

static struct event_base *host_event_base(struct fr_sink *sink)
{
    return sink->base;
}

static const char *host_name(struct fr_sink *sink)
{
    return sink->settings.name;
}

static const char *host_text(struct fr_sink *sink, const char *option)
{
    return fr_options_text(sink->options, option);
}

static int64_t host_number(struct fr_sink *sink, const char *option)
{
    return fr_options_number(sink->options, option);
}

static int host_each(struct fr_sink *sink, const char *option,
                     int (*each)(const char *key, const char *text, void *context), void *context)
{
    return fr_options_each(sink->options, option, each, context);
}

static const char *host_json(struct fr_sink *sink, const struct fr_delivery *delivery, size_t *len)
{
    const char *text;

    fr_buffer_clear(&sink->json);
    if (delivery->kind == FR_DELIVERY_FIELD)
        fr_json_field(&sink->json, delivery);
    else if (delivery->format != FR_FORMAT_PROTOBUF)
        fr_buffer_append(&sink->json, delivery->bytes, delivery->len);
    text = fr_buffer_string(&sink->json);
    if (len != NULL)
        *len = sink->json.failed ? 0 : sink->json.len;
    return text;
}

static const char *host_value(struct fr_sink *sink, const struct fr_delivery *delivery, size_t *len)
{
    const char *text;

    fr_buffer_clear(&sink->json);
    fr_json_value(&sink->json, &delivery->value);
    text = fr_buffer_string(&sink->json);
    if (len != NULL)
        *len = sink->json.failed ? 0 : sink->json.len;
    return text;
}

static void host_restore(struct fr_sink *sink)
{
    atomic_store(&sink->restore_wanted, true);
    fr_sink_wake(sink, true);
}

static void host_wrong(struct fr_sink *sink, const char *option, const char *key,
                       const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    if (sink->diagnostics != NULL)
        fr_options_wrong(sink->options, option, key, sink->diagnostics, format, ap);
    else {
        char prefix[96];

        snprintf(prefix, sizeof prefix, "sink %s: option %s: ", sink->settings.name, option);
        fr_vlog(FR_LOG_ERROR, prefix, format, ap);
    }
    va_end(ap);
}

/* A plugin may ask again and again until it succeeds. */
static const char *host_state_dir(struct fr_sink *sink)
{
    static struct fr_log_limit limit;
    struct fr_error error;

    if (sink->state_dir != NULL)
        return sink->state_dir;
    sink->state_dir = fr_asprintf("%s/sinks/%s", sink->config->state, sink->settings.name);
    if (fr_make_folders(sink->state_dir, &error) != 0) {
        fr_log_limited(&limit, FR_LOG_ERROR, "sink %s: %s", sink->settings.name, error.text);
        free(sink->state_dir);
        sink->state_dir = NULL;
    } else
        error.text[0] = '\0';
    pthread_mutex_lock(&sink->status_lock);
    snprintf(sink->state_why, sizeof sink->state_why, "%.*s", (int)sizeof sink->state_why - 1,
             error.text);
    pthread_mutex_unlock(&sink->status_lock);
    return sink->state_dir;
}

const struct fr_host fr_plugin_host = {
    .log = host_log,
    .done = fr_delivery_done,
    .fail = host_fail,
    .health = host_health,
    .event_base = host_event_base,
    .name = host_name,
    .state_dir = host_state_dir,
    .text = host_text,
    .number = host_number,
    .each = host_each,
    .json = host_json,
    .value = host_value,
    .restore = host_restore,
    .wrong = host_wrong,
};
