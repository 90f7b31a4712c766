/*
 * record.h - one message of one vehicle, on its way from ingest to the sinks.
 *
 * What a record says never changes, so any thread may read one it has counted.
 * Whoever holds a record longer than a call counts it with fr_record_ref and lets go with
 * fr_record_unref. What it holds is one allocation, the decoded data one more.
 */
#ifndef FR_RECORD_H
#define FR_RECORD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "record/payload.h"
#include "util/error.h"

enum fr_record_type {
    FR_RECORD_V,
    FR_RECORD_ALERTS,
    FR_RECORD_ERRORS,
    FR_RECORD_CONNECTIVITY, /* one connection opened or closed */
    FR_RECORD_PRESENCE,     /* the vehicle is there or gone, over all its connections */
    FR_RECORD_OTHER,        /* a topic we have no message for: passed on as bytes */
    FR_RECORD_TYPES,
};

/* Longest device id (from a certificate), topic and txid that is let in. */
#define FR_VIN_MAX 64
#define FR_TOPIC_MAX 64
#define FR_TXID_MAX 256

/* A creation time further ahead of the receipt than this counts as unknown. */
#define FR_CLOCK_AHEAD_MS (INT64_C(5) * 60 * 1000)

struct fr_data {
    size_t count;
    struct fr_datum datum[];
};

struct fr_ack_owner;

struct fr_record {
    _Atomic uint32_t references;

    /* Read by anybody, written by nobody. The texts are NUL-terminated. */
    enum fr_record_type type;
    bool resend;
    int64_t created_ns;    /* the vehicle's clock; 0: unknown */
    int64_t received_ms;   /* ours */
    const char *vin;       /* the certificate's */
    const char *topic;     /* "V" */
    const char *ack_topic; /* what the vehicle called it; not in the journal */
    const char *txid;
    size_t txid_len;
    const char *client_version;
    const uint8_t *payload; /* protobuf, normalised as Tesla's server does */
    size_t payload_len;
    size_t size;   /* bytes of memory it takes up */
    bool restored; /* a last value told again, not from the vehicle now */
    bool repeated; /* read from the journal again after a crash or a rewind */
    uint64_t seq;  /* its place in the journal, set by who appends or reads it; 0: none */

    /* Acknowledgement (acknowledge.h). */
    _Atomic uint32_t unconfirmed; /* sinks that have yet to confirm it */
    _Atomic bool refused;         /* one of them never will */
    struct fr_ack_owner *owner;   /* who is told when all have; NULL: nobody */
    uint32_t owner_slot;
    uint32_t owner_generation;
    struct fr_record *ack_next;

    _Atomic(struct fr_data *) data;
};

/* What fr_record_new makes a record of. */
struct fr_record_source {
    const char *vin;
    const uint8_t *topic;
    size_t topic_len;
    const uint8_t *ack_topic; /* NULL: it is the topic */
    size_t ack_topic_len;
    const uint8_t *txid;
    size_t txid_len;
    const char *client_version;
    const uint8_t *payload;
    size_t payload_len;
    int64_t received_ms;
};

/* Whether a text is a device id as certificates have it: 1 to FR_VIN_MAX printable ASCII characters
 * without space, '/' and '.', so that it is one component of a path and of a topic everywhere. */
bool fr_vin_valid(const char *vin, size_t len);

/* The type of a topic. */
enum fr_record_type fr_record_type_of(const uint8_t *topic, size_t len);

/* The topic of a type ("V"), or "" for FR_RECORD_OTHER. */
const char *fr_record_type_name(enum fr_record_type type);

/* Make a record: the payload is checked, the certificate's VIN takes the place of what the
 * payload says, old text and times are normalised, and a creation time ahead of the receipt
 * is left out of created_ns (not of the payload). Returns it with one reference, or
 * NULL and says why. */
struct fr_record *fr_record_new(const struct fr_record_source *source, struct fr_error *error);

/* The same from a payload that has been through fr_record_new before: it is taken as it is.
 * NULL: no memory. */
struct fr_record *fr_record_known(const struct fr_record_source *source, int64_t created_ns,
                                  bool resend);

/* When the record was measured, in ns since 1970: created_ns, or the receipt where the vehicle did
 * not say. Orders the values of one vehicle. */
int64_t fr_record_time_ns(const struct fr_record *record);

/* A record that can be kept for long at little cost, for one of this record's data, and *value as
 * it is there (its text may move). A small record is counted itself; of a larger one a record with
 * this datum alone is made. The caller owns one reference. NULL: no memory. */
struct fr_record *fr_record_excerpt(struct fr_record *record, const struct fr_datum *datum,
                                    struct fr_value *value);

/* The memory that a record and its decoded data take up, in bytes. */
size_t fr_record_memory(const struct fr_record *record);

struct fr_record *fr_record_ref(struct fr_record *record);
void fr_record_unref(struct fr_record *record);

/* The decoded data of a V record, decoded on first need; empty for other types. Holds as
 * long as the record. NULL only when memory is gone. */
const struct fr_data *fr_record_data(struct fr_record *record);

#endif
