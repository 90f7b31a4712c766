/*
 * stored_record.h - a record as bytes, in the journal and on the way from `fleetroute replay`.
 *
 * All numbers are little-endian: version (1), flags, lengths of vin and topic, u16 lengths of
 * txid and client version, u32 CRC-32 of everything else, u32 payload length, i64 appended,
 * received (ms) and created (ns); then vin, topic, txid, client version and payload.
 */
#ifndef FR_STORED_RECORD_H
#define FR_STORED_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "record/record.h"

#define FR_STORED_HEAD 40

/* What stands in the bytes; the spans point into them. */
struct fr_stored {
    bool resend;
    const uint8_t *vin, *topic, *txid, *version, *payload;
    size_t vin_len, topic_len, txid_len, version_len, payload_len;
    int64_t appended_ms, received_ms, created_ns;
};

/* How many bytes a record takes. */
size_t fr_stored_size(const struct fr_record *record);

/* Write exactly so many bytes. */
void fr_stored_write(const struct fr_record *record, int64_t appended_ms, uint8_t *to);

/* Read the head and the lengths only. -1: it is no stored record. */
int fr_stored_look(const uint8_t *bytes, size_t len, struct fr_stored *stored);

/* The same, and whether every byte is as it was written. -1: it is not. */
int fr_stored_read(const uint8_t *bytes, size_t len, struct fr_stored *stored);

/* Make a record of it, without looking at the payload again. NULL: no memory. */
struct fr_record *fr_stored_record(const struct fr_stored *stored);

#endif
