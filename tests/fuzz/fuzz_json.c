/* The readers of JSON records: Tesla's layout, fleetroute's layout, dead letters. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "record/normalise.h"
#include "source/json_line.h"
#include "source/json_payload.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

/* A payload that is converted from JSON must be accepted like the payload of a vehicle. */
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    struct fr_json_line line;
    struct fr_normalised normalised;
    struct fr_buffer out = {0};
    struct fr_error error;
    enum fr_record_type type;

    if (len > 20000)
        return 0;
    if (fr_json_line_read((const char *)bytes, len, &line, &error) == 0) {
        type = fr_record_type_of((const uint8_t *)line.topic, strlen(line.topic));
        fr_normalise(type, line.payload.bytes, line.payload.len, "VIN", &normalised, &out, &error);
    }
    fr_buffer_free(&line.payload);
    fr_buffer_clear(&out);
    for (int t = 0; t < FR_RECORD_OTHER; t++) {
        struct fr_buffer payload = {0};

        if (fr_json_to_payload((const char *)bytes, len, (enum fr_record_type)t, &payload,
                               &error) == 0 &&
            fr_normalise((enum fr_record_type)t, payload.bytes, payload.len, "VIN", &normalised,
                         &out, &error) != 0 &&
            payload.len < 10000)
            abort();
        fr_buffer_free(&payload);
        fr_buffer_clear(&out);
    }
    fr_buffer_free(&out);
    return 0;
}
