/*
 * deliveries.h - what a fuzz target of a plugin needs: a host, and the deliveries that a vehicle's
 * message makes.
 *
 * An input is one byte (the low three bits choose the record type, the others are the target's own)
 * and a protobuf payload.
 */
#ifndef FR_FUZZ_DELIVERIES_H
#define FR_FUZZ_DELIVERIES_H

#include <stddef.h>
#include <stdint.h>

#include "fleetroute/plugin.h"

/* A host whose options are the defaults of the plugins under test. done() counts. */
extern const struct fr_host fuzz_host;
extern size_t fuzz_done, fuzz_refused, fuzz_retried;

/* The catalogue's text that the targets use. */
extern const char fuzz_entities[];

/* Make a record of the input and call each() for its deliveries: the record as JSON and as protobuf,
 * then its values one by one. They hold until it returns. */
void fuzz_deliveries(const uint8_t *bytes, size_t len, void (*each)(struct fr_delivery *delivery));

/* abort() unless the text is one JSON value. */
void fuzz_check_json(const char *text, size_t len);

/* abort() unless it is UTF-8 without control characters. */
void fuzz_check_text(const char *text);

#endif
