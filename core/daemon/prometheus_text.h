/*
 * prometheus_text.h - lines of Prometheus's text format 0.0.4. All functions append to a buffer.
 */
#ifndef FR_PROMETHEUS_TEXT_H
#define FR_PROMETHEUS_TEXT_H

#include "util/buffer.h"

/* Append the HELP and TYPE lines of a metric. */
void fr_prometheus_head(struct fr_buffer *out, const char *name, const char *type,
                        const char *help);

/* Append a metric without labels. */
void fr_prometheus_number(struct fr_buffer *out, const char *name, const char *type,
                          const char *help, double value);

/* Append NAME="VALUE" with the escapes that the format needs. */
void fr_prometheus_label(struct fr_buffer *out, const char *name, const char *value);

#endif
