/*
 * Bodies of requests in each format of the sink. A body is made of one or more deliveries.
 *
 * Everything runs on the sink's thread.
 */
#ifndef FR_HTTP_BODY_H
#define FR_HTTP_BODY_H

#include <stdbool.h>
#include <stddef.h>

#include "fleetroute/plugin.h"
#include "http/body_added.h"
#include "text_buffer.h"

/* In the order of the option's words. */
enum body_format {
    FORMAT_JSON,
    FORMAT_JSON_LINES,
    FORMAT_TESLA_JSON,
    FORMAT_INFLUX,
    FORMAT_TESLEMETRY,
    FORMAT_ABRP,
};
#define BODY_FORMATS "json|json-lines|tesla-json|influx|teslemetry|abrp"

#define BODY_OPTIONS                                                                               \
    {"format", FR_OPTION_CHOICE, "json", false, BODY_FORMATS, "format of the body"},               \
        {"measurement",                                                                            \
         FR_OPTION_TEXT,                                                                           \
         "tesla_%{type}",                                                                          \
         false,                                                                                    \
         NULL,                                                                                     \
         "influx: measurement of a record; %{type} of values is fields"},                          \
        {"tags", FR_OPTION_MAP, NULL, false, NULL, "influx: tags besides vin and name"},           \
        {"precision", FR_OPTION_CHOICE, "ns", false, "ns|ms|s", "influx: unit of the times"},      \
    {                                                                                              \
        "integers", FR_OPTION_BOOLEAN, "false", false, NULL,                                       \
            "influx: whether whole numbers of field routes are integers, not floats"               \
    }

/* How to write the deliveries of one request. */
enum body_mode {
    BODY_TOGETHER, /* as usual */
    BODY_SPLIT,    /* so that the server can refuse a part of a delivery alone */
};

struct body;

/* Report each mistake in these options. */
void body_check(struct fr_sink *sink, const struct fr_host *host);

/* NULL: no memory. The caller frees it with body_free(); NULL is permitted there. */
struct body *body_new(struct fr_sink *sink, const struct fr_host *host);
void body_free(struct body *body);

/* Value of the header Content-Type. */
const char *body_content_type(const struct body *body);

/* Whether a second delivery may be in the same body. */
bool body_may_join(const struct body *body, const struct fr_delivery *first,
                   const struct fr_delivery *next);

/* Whether BODY_SPLIT makes a difference for a delivery. */
bool body_can_split(const struct body *body);

/* Append a delivery to the body in `out`, which is empty before the first one. */
enum body_added body_add(struct body *body, struct fr_text_buffer *out, enum body_mode mode,
                         const struct fr_delivery *delivery);

/* End a body with at least one delivery. */
void body_end(struct body *body, struct fr_text_buffer *out);

/* What is appended to the URL of each request: "" or "precision=ms". */
const char *body_query(const struct body *body);

/* For people: why a delivery was BODY_UNFIT. */
const char *body_unfit_reason(const struct body *body);

#endif
