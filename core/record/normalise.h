/*
 * normalise.h - a payload of any record type, checked and brought into the form in which
 * Tesla's server passes it on: the certificate's VIN, and times that are seconds.
 */
#ifndef FR_NORMALISE_H
#define FR_NORMALISE_H

#include <stdbool.h>

#include "record/record.h"
#include "util/buffer.h"
#include "util/error.h"

struct fr_normalised {
    bool rewritten; /* take `out`; else the payload is right as it came */
    bool resend;
    int64_t created_ns;
};

/* Check the payload and, where it has to change, append its new form to `out`. -1: malformed,
 * with the reason in `error`. */
int fr_normalise(enum fr_record_type type, const uint8_t *payload, size_t len, const char *vin,
                 struct fr_normalised *result, struct fr_buffer *out, struct fr_error *error);

#endif
