/*
 * The serialised form of a record, in the journal and between `fleetroute replay` and the daemon.
 *
 * All numbers are little-endian:
 *
 *   offset  size
 *        0     1  format (1)
 *        1     1  flags (1: resend)
 *        2     1  length of VIN
 *        3     1  length of topic
 *        4     2  length of txid
 *        6     2  length of client version
 *        8     4  CRC-32 of all other bytes
 *       12     4  length of payload
 *       16     8  append time, ms since 1970
 *       24     8  time of receipt, ms since 1970
 *       32     8  creation time, ns since 1970
 *       40        VIN, topic, txid, client version, payload
 *
 * The functions are thread-safe.
 */
#ifndef FR_STORED_RECORD_H
#define FR_STORED_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "record/record.h"

#define FR_STORED_HEAD 40 /* bytes before the VIN */

/* A parsed stored record. The pointers refer to the parsed bytes and are not NUL-terminated. */
struct fr_stored {
    bool resend;
    const uint8_t *vin, *topic, *txid, *version, *payload;
    size_t vin_len, topic_len, txid_len, version_len, payload_len;
    int64_t appended_ms, received_ms, created_ns;
};

/* The size of the stored record in bytes. */
size_t fr_stored_size(const struct fr_record *record);

/* Write fr_stored_size() bytes to `to`. appended_ms: ms since 1970. */
void fr_stored_write(const struct fr_record *record, int64_t appended_ms, uint8_t *to);

/* Parse a stored record without verifying its checksum. Returns 0, or -1: the lengths are
 * invalid. */
int fr_stored_parse_head(const uint8_t *bytes, size_t len, struct fr_stored *stored);

/* Parse a stored record and verify its checksum. Returns 0, or -1: it is invalid or damaged. */
int fr_stored_read(const uint8_t *bytes, size_t len, struct fr_stored *stored);

/* Create a record; the payload is copied and not validated. The caller owns one reference. Returns
 * NULL when out of memory. */
struct fr_record *fr_stored_record(const struct fr_stored *stored);

#endif
