/* Checks a payload and brings it into the form in which Tesla's server passes records on: with the
 * VIN of the certificate, and with times in seconds. Source: applyProtoRecordTransforms() in
 * telemetry/record.go of Tesla's fleet-telemetry. */
#ifndef FR_NORMALISE_H
#define FR_NORMALISE_H

#include <stdbool.h>

#include "record/record_types.h"
#include "util/buffer.h"
#include "util/error.h"

struct fr_normalised {
    bool rewritten;     /* the new form is in `out`; false: the payload needs no change */
    bool resend;        /* the vehicle has sent the payload before */
    int64_t created_ns; /* ns since 1970; 0: unknown */
};

/* Check the payload of a record of `type` and fill *result. If the payload has to change, append
 * its new form to `out`. A payload of FR_RECORD_OTHER is not checked. Returns 0, or -1 with a
 * message in `error` if the payload is malformed or memory is exhausted. Any thread. */
int fr_normalise(enum fr_record_type type, const uint8_t *payload, size_t len, const char *vin,
                 struct fr_normalised *result, struct fr_buffer *out, struct fr_error *error);

#endif
