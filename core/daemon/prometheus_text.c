#include "daemon/prometheus_text.h"

void fr_prometheus_head(struct fr_buffer *out, const char *name, const char *type, const char *help)
{
    fr_buffer_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

void fr_prometheus_number(struct fr_buffer *out, const char *name, const char *type,
                          const char *help, double value)
{
    fr_prometheus_head(out, name, type, help);
    fr_buffer_printf(out, "%s %.15g\n", name, value);
}

/* The text format needs an escape for a backslash, a quote and a line feed. */
void fr_prometheus_label(struct fr_buffer *out, const char *name, const char *value)
{
    fr_buffer_printf(out, "%s=\"", name);
    for (; *value != '\0'; value++) {
        if (*value == '\\' || *value == '"')
            fr_buffer_byte(out, '\\');
        if (*value == '\n')
            fr_buffer_text(out, "\\n");
        else
            fr_buffer_byte(out, (uint8_t)*value);
    }
    fr_buffer_byte(out, '"');
}
