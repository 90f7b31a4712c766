/*
 * The part of struct fr_host and struct fr_source_host that is the same for a sink and a source:
 * log lines, options and their mistakes. core/sink and core/source embed a struct
 * fr_plugin_instance in their own struct and add what only they offer.
 */
#ifndef FR_HOST_H
#define FR_HOST_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>

#include "config/diagnostics.h"
#include "fleetroute/plugin.h"
#include "plugin/options.h"

/* One sink or source of the configuration, as its plugin sees it. The thread of the sink or source;
 * on the main thread before that thread starts. */
struct fr_plugin_instance {
    const char *kind;                   /* "sink" or "source"; static */
    const char *name;                   /* in the configuration; outlives the instance */
    struct fr_options *options;         /* owned */
    struct fr_diagnostics *diagnostics; /* during check(); NULL otherwise */
    int64_t log_minute_ms;              /* monotonic: begin of the present minute of log lines */
    unsigned log_lines;                 /* of that minute */
};

/* Write a log line of the plugin, with "KIND NAME: " before it. At most 60 lines a minute, without
 * debug lines; the number of suppressed lines is logged. */
void fr_host_log(struct fr_plugin_instance *instance, enum fr_level level, const char *format,
                 va_list ap) __attribute__((format(printf, 3, 0)));

/* Report a mistake in an option: to the diagnostics during check(), otherwise to the log. */
void fr_host_config_error(struct fr_plugin_instance *instance, const char *option, const char *key,
                          const char *format, va_list ap) __attribute__((format(printf, 4, 0)));

/* Log that the health of the instance has changed. `opening`: its plugin's open() runs. Degraded is
 * then a step of each normal start, such as "connecting". */
void fr_host_log_health(const struct fr_plugin_instance *instance, enum fr_health health,
                        bool opening, const char *why);

/* "up", "degraded" or "down". Static text. */
const char *fr_health_word(enum fr_health health);

#endif
