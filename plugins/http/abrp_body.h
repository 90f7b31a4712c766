/*
 * Deliveries as messages to A Better Route Planner: one vehicle in each body, with all its values that
 * are known, not only those of the deliveries. Max ABRP_VEHICLES_MAX vehicles are kept.
 *
 * Everything runs on the sink's thread.
 */
#ifndef FR_HTTP_ABRP_BODY_H
#define FR_HTTP_ABRP_BODY_H

#include <jansson.h>

#include "fleetroute/plugin.h"
#include "http/body_added.h"
#include "text_buffer.h"

#define ABRP_VEHICLES_MAX 4096

struct abrp;

/* NULL: no memory. */
struct abrp *abrp_new(void);
void abrp_free(struct abrp *abrp); /* NULL is permitted */

/* Take the values of a delivery; `json` is the record or the value. Returns BODY_ADDED, BODY_NOTHING if
 * ABRP takes none of the values, or BODY_NO_MEMORY. Nothing is appended to `out` but a mark that the
 * body has content. */
enum body_added abrp_body_add(struct abrp *abrp, struct fr_text_buffer *out,
                              const struct fr_delivery *delivery, const json_t *json);

/* Write the message of the vehicle of the last delivery that was added. */
void abrp_body_end(struct abrp *abrp, struct fr_text_buffer *out);

#endif
