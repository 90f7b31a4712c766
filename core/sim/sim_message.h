/* sim_message.h - what a simulated vehicle sends: payloads of data in their envelope. */
#ifndef FR_SIM_MESSAGE_H
#define FR_SIM_MESSAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "ingest/envelope.h"
#include "util/buffer.h"

/* One value to send. The member says which arm of Value carries it. */
struct fr_sim_datum {
    uint32_t field;
    uint32_t member; /* tag in Value: double 5, boolean 6, location 7, int 2, string 1, enums … */
    double real;     /* double; latitude of a location */
    double real2;    /* longitude */
    int64_t integer; /* int, boolean, enums */
    const char *text;
};

/* A vehicle_data.Payload of these data. */
void fr_sim_payload(struct fr_buffer *out, const struct fr_sim_datum *data, size_t count,
                    const char *vin, int64_t created_ns, bool resend);

/* The payload in an envelope as a vehicle makes it. */
void fr_sim_envelope(struct fr_buffer *out, const char *topic, const char *txid, const char *vin,
                     const uint8_t *payload, size_t len, uint32_t created_at_s);

#endif
