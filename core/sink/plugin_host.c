#include "sink/plugin_host.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "record/field_catalogue.h"
#include "record/json.h"
#include "record/tesla_messages.h"
#include "record/tesla_value.h"
#include "sink/outcome.h"
#include "sink/retry.h"
#include "sink/intake.h"
#include "sink/sink_state.h"
#include "sink/wakeup.h"
#include "util/clock.h"
#include "util/files.h"
#include "util/go_json.h"
#include "util/log.h"
#include "util/memory.h"

static void host_log(struct fr_sink *sink, enum fr_level level, const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    fr_host_log(&sink->instance, level, format, ap);
    va_end(ap);
}

static void host_health(struct fr_sink *sink, enum fr_health health, const char *format, ...)
{
    bool opening = atomic_load(&sink->thread.phase) == SINK_OPENING;
    enum fr_health before;
    va_list ap;

    pthread_mutex_lock(&sink->health.lock);
    before = sink->health.reported;
    sink->health.reported = health;
    va_start(ap, format);
    vsnprintf(sink->health.why, sizeof sink->health.why, format, ap);
    va_end(ap);
    if (health == FR_HEALTH_DOWN || (health == FR_HEALTH_DEGRADED && !opening)) {
        memcpy(sink->health.last_error, sink->health.why, sizeof sink->health.last_error);
        sink->health.last_error_ms = fr_wall_ms();
    }
    pthread_mutex_unlock(&sink->health.lock);
    if ((before != FR_HEALTH_UP && health == FR_HEALTH_UP) ||
        (before == FR_HEALTH_DOWN && health == FR_HEALTH_DEGRADED))
        fr_retry_end_pause(sink);
    if (before != health)
        fr_host_log_health(&sink->instance, health, opening, sink->health.why);
}

static void host_fail(struct fr_sink *sink, struct fr_delivery *delivery, enum fr_outcome outcome,
                      const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    fr_outcome_set_reason(sink, format, ap);
    va_end(ap);
    fr_outcome_report(sink, delivery, outcome);
}

static struct event_base *host_event_base(struct fr_sink *sink)
{
    return sink->thread.base;
}

static const char *host_name(struct fr_sink *sink)
{
    return sink->settings.name;
}

static const char *host_text(struct fr_sink *sink, const char *option)
{
    return fr_options_text(sink->instance.options, option);
}

static int64_t host_number(struct fr_sink *sink, const char *option)
{
    return fr_options_number(sink->instance.options, option);
}

static int host_each(struct fr_sink *sink, const char *option,
                     int (*each)(const char *key, const char *text, void *context), void *context)
{
    return fr_options_each(sink->instance.options, option, each, context);
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

/* The field's name in Tesla's server, unless the route has another one. An unknown field is named by
 * its number there, and field_N here. */
static const char *host_tesla_name(const struct fr_delivery *delivery)
{
    bool is_numbered = fr_field_by_number(delivery->field) == NULL &&
                       strcmp(delivery->name, delivery->field_name) == 0;

    return delivery->name + (is_numbered ? strlen("field_") : 0);
}

static enum fr_tesla_result host_tesla_value(struct fr_sink *sink, const struct delivery *d,
                                             struct fr_tesla_message *message)
{
    if (d->datum != NULL)
        fr_tesla_value(&sink->json, d->datum, d->datum_len);
    else
        fr_go_double(&sink->json, d->public.value.real);
    message->kind = "v";
    message->name = host_tesla_name(&d->public);
    message->name_len = strlen(message->name);
    return FR_TESLA_MESSAGE;
}

static enum fr_tesla_result host_tesla_record(struct fr_sink *sink, struct delivery *d,
                                              size_t index, struct fr_tesla_message *message)
{
    struct fr_tesla_topic topic;

    if (!fr_tesla_messages_has(d->record->type))
        return FR_TESLA_UNKNOWN;
    if (d->tesla == NULL && (d->tesla = fr_tesla_messages_new(d->record)) == NULL)
        return FR_TESLA_FAILED;
    if (!fr_tesla_messages_get(d->tesla, index, &sink->json, &topic))
        return FR_TESLA_END;
    message->kind = d->public.record_type;
    message->name = topic.name;
    message->name_len = topic.name_len;
    message->part = topic.part;
    return FR_TESLA_MESSAGE;
}

/* `public` is the first member of struct delivery. */
static enum fr_tesla_result host_tesla_message(struct fr_sink *sink,
                                               const struct fr_delivery *delivery, size_t index,
                                               struct fr_tesla_message *message)
{
    struct delivery *d = (struct delivery *)delivery;
    enum fr_tesla_result result;

    *message = (struct fr_tesla_message){.size = message->size};
    fr_buffer_clear(&sink->json);
    if (delivery->kind == FR_DELIVERY_RECORD)
        result = host_tesla_record(sink, d, index, message);
    else
        result = index == 0 ? host_tesla_value(sink, d, message) : FR_TESLA_END;
    message->payload = fr_buffer_string(&sink->json);
    message->len = sink->json.len;
    return sink->json.failed ? FR_TESLA_FAILED : result;
}

static uint32_t host_gather_ms(struct fr_sink *sink)
{
    return fr_intake_gather_max_ms(sink);
}

static void host_restore(struct fr_sink *sink)
{
    atomic_store(&sink->requests.restore, true);
    fr_sink_wake(sink, true);
}

static void host_config_error(struct fr_sink *sink, const char *option, const char *key,
                              const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    fr_host_config_error(&sink->instance, option, key, format, ap);
    va_end(ap);
}

/* A plugin may repeat a failed call; the call creates the folder again. */
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
    pthread_mutex_lock(&sink->health.lock);
    snprintf(sink->health.state_folder_error, sizeof sink->health.state_folder_error, "%.*s",
             (int)sizeof sink->health.state_folder_error - 1, error.text);
    pthread_mutex_unlock(&sink->health.lock);
    return sink->state_dir;
}

const struct fr_host fr_plugin_host = {
    .size = sizeof(struct fr_host),
    .log = host_log,
    .done = fr_outcome_report,
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
    .config_error = host_config_error,
    .tesla_message = host_tesla_message,
    .gather_ms = host_gather_ms,
};
