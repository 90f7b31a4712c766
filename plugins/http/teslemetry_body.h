/*
 * Deliveries in the flat form of Teslemetry's webhooks: {"data":{"Field":VALUE},"createdAt":"…","vin":"…"}.
 * A record that is no data has its content as members beside createdAt and vin. The function has no
 * state; any thread may call it.
 */
#ifndef FR_HTTP_TESLEMETRY_BODY_H
#define FR_HTTP_TESLEMETRY_BODY_H

#include <jansson.h>

#include "fleetroute/plugin.h"
#include "http/body_added.h"
#include "text_buffer.h"

/* Append a delivery. `json` is the record or the value. Returns BODY_ADDED; without memory,
 * `out->failed` is set. */
enum body_added teslemetry_body_add(struct fr_text_buffer *out, const struct fr_delivery *delivery,
                                    const json_t *json);

#endif
