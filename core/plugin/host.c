#include "plugin/host.h"

#include <stdbool.h>
#include <stdio.h>

#include "util/clock.h"
#include "util/log.h"

#define MAX_LINES_PER_MINUTE 60
#define PREFIX_SIZE 160

/* A plugin may log a line for each delivery. */
static bool host_log_allowed(struct fr_plugin_instance *instance)
{
    int64_t now = fr_monotonic_ms();

    if (now - instance->log_minute_ms >= 60000) {
        if (instance->log_lines > MAX_LINES_PER_MINUTE)
            fr_log(FR_LOG_WARNING, "%s %s: %u more log lines were suppressed", instance->kind,
                   instance->name, instance->log_lines - MAX_LINES_PER_MINUTE);
        instance->log_minute_ms = now;
        instance->log_lines = 0;
    }
    return ++instance->log_lines <= MAX_LINES_PER_MINUTE;
}

void fr_host_log(struct fr_plugin_instance *instance, enum fr_level level, const char *format,
                 va_list ap)
{
    char prefix[PREFIX_SIZE];

    if (level < FR_LOG_DEBUG && !host_log_allowed(instance))
        return;
    snprintf(prefix, sizeof prefix, "%s %s: ", instance->kind, instance->name);
    fr_vlog(level, prefix, format, ap);
}

void fr_host_config_error(struct fr_plugin_instance *instance, const char *option, const char *key,
                          const char *format, va_list ap)
{
    char prefix[PREFIX_SIZE];

    if (instance->diagnostics != NULL) {
        fr_options_config_error(instance->options, option, key, instance->diagnostics, format, ap);
        return;
    }
    snprintf(prefix, sizeof prefix, "%s %s: option %s: ", instance->kind, instance->name, option);
    fr_vlog(FR_LOG_ERROR, prefix, format, ap);
}

const char *fr_health_word(enum fr_health health)
{
    static const char *const words[] = {
        [FR_HEALTH_UP] = "up", [FR_HEALTH_DEGRADED] = "degraded", [FR_HEALTH_DOWN] = "down"};

    return words[health];
}

void fr_host_log_health(const struct fr_plugin_instance *instance, enum fr_health health,
                        bool opening, const char *why)
{
    if (opening && health == FR_HEALTH_DEGRADED)
        fr_log(FR_LOG_INFO, "%s %s: %s", instance->kind, instance->name, why);
    else
        fr_log(health == FR_HEALTH_UP ? FR_LOG_NOTICE : FR_LOG_WARNING, "%s %s is %s: %s",
               instance->kind, instance->name, fr_health_word(health), why);
}
