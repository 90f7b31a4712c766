/*
 * Writes the messages of a simulated vehicle: vehicle_data.Payload (protobuf) in the envelope of
 * ingest/envelope.h.
 */
#ifndef FR_SIM_MESSAGE_H
#define FR_SIM_MESSAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "ingest/envelope.h"
#include "util/buffer.h"

/* One datum to send. */
struct fr_sim_datum {
    uint32_t field;
    uint32_t member; /* tag of the member of Value: FR_MEMBER_…, or the tag of an enum */
    double real;     /* double; latitude of a location */
    double real2;    /* longitude */
    int64_t integer; /* int, boolean, enums; doors and tires: bit n for field n + 1 */
    const char *text;
};

/* Append a vehicle_data.Payload with `count` data. `created_ns` is in ns since 1970. */
void fr_sim_payload(struct fr_buffer *out, const struct fr_sim_datum *data, size_t count,
                    const char *vin, int64_t created_ns, bool resend);

/* Append an envelope that carries the payload, as a vehicle writes it. */
void fr_sim_envelope(struct fr_buffer *out, const char *topic, const char *txid, const char *vin,
                     const uint8_t *payload, size_t len, uint32_t created_at_s);

#endif
