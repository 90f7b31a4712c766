/*
 * deliveries.h - support for the fuzz targets of plugins: a host, and the deliveries of one record.
 *
 * An input is one byte and a protobuf payload. Bits 0 to 2 of the byte select the record type; bits
 * 3 to 6 select an unusual VIN, a vehicle name, an entity name and FR_FLAG_REPEATED.
 */
#ifndef FR_FUZZ_DELIVERIES_H
#define FR_FUZZ_DELIVERIES_H

#include <stddef.h>
#include <stdint.h>

#include "fleetroute/plugin.h"

/* A host that returns default options of the plugins under test. done() and fail() count the
 * outcomes in the variables below. */
extern const struct fr_host fuzz_host;
extern size_t fuzz_done, fuzz_refused, fuzz_retried;

/* The text of the entity catalogue of the targets. */
extern const char fuzz_entities[];

/* Create a record from the input and call each() for its deliveries: the record as JSON, the record
 * as protobuf, then at most 64 of its values. A delivery is valid until each() returns. */
void fuzz_deliveries(const uint8_t *bytes, size_t len, void (*each)(struct fr_delivery *delivery));

/* Call abort() unless the text is one JSON value. */
void fuzz_check_json(const char *text, size_t len);

/* Call abort() unless the text is UTF-8 without control characters (below 0x20). */
void fuzz_check_text(const char *text);

#endif
