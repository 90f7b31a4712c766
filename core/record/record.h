/* A record: one message of one vehicle, from ingest to the sinks. The content of a record is
 * constant after the thread that made or read it has passed it on, so any thread may read a record
 * on which it holds a reference. A record is one allocation; its decoded data are a second one. */
#ifndef FR_RECORD_H
#define FR_RECORD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "record/payload.h"
#include "record/record_types.h"
#include "util/error.h"

/* Bytes of a client version at most; it is a header of an HTTP request of limited size. */
#define FR_CLIENT_VERSION_MAX 8192

/* A creation time that is further ahead of the receipt than this counts as unknown. */
#define FR_CLOCK_AHEAD_MS (INT64_C(5) * 60 * 1000)

struct fr_data {
    size_t count;
    struct fr_datum datum[];
};

struct fr_completion;

struct fr_record {
    _Atomic uint32_t references;

    /* Constant. The texts are NUL-terminated and part of the record's allocation. */
    enum fr_record_type type;
    bool resend;           /* the vehicle has sent the record before */
    int64_t created_ns;    /* by the vehicle's clock, ns since 1970; 0: unknown */
    int64_t received_ms;   /* by the daemon's clock, ms since 1970 */
    const char *vin;       /* from the certificate */
    const char *topic;     /* "V" */
    const char *ack_topic; /* the topic that the vehicle sent; not stored in the journal */
    const char *txid;      /* txid_len bytes, which may include NUL */
    size_t txid_len;
    const char *client_version;
    const uint8_t *payload; /* protobuf, in the form of fr_normalise() */
    size_t payload_len;
    size_t size;   /* bytes of the allocation */
    bool restored; /* a last value that is delivered again, not a new record of the vehicle */
    bool repeated; /* read from the journal again after a crash or a rewind */
    uint64_t seq;  /* sequence number in the journal, set by the journal; 0: none */

    /* Acknowledgement (acknowledge.h). */
    _Atomic uint32_t unconfirmed;     /* sinks that have not confirmed the record */
    _Atomic bool refused;             /* a sink has given the record up */
    struct fr_completion *completion; /* receives the completed record; NULL: none */
    uint32_t completion_slot;         /* for the owner of `completion` */
    uint32_t completion_generation;
    struct fr_record *ack_next; /* list of completed records */

    _Atomic(struct fr_data *) data; /* NULL until fr_record_data() is called */
};

/* The input of fr_record_new(). All texts and bytes are copied. */
struct fr_record_source {
    const char *vin;
    const uint8_t *topic;
    size_t topic_len;
    const uint8_t *ack_topic; /* NULL: same as topic */
    size_t ack_topic_len;
    const uint8_t *txid;
    size_t txid_len;
    const char *client_version;
    const uint8_t *payload;
    size_t payload_len;
    int64_t received_ms; /* ms since 1970; 0: unknown */
};

/* Returns whether a text is a valid device id: 1 to FR_VIN_MAX printable ASCII characters except
 * space,
 * '/' and '.'. Such an id can be one component of a path or of an MQTT topic. */
bool fr_vin_valid(const char *vin, size_t len);

/* Make a record. The payload is checked and normalised by fr_normalise(). A creation time that is
 * too far ahead of the receipt is counted and ignored: created_ns is 0, the payload keeps the time.
 * Returns the record with one reference, or NULL with a message in `error`. Any thread. */
struct fr_record *fr_record_new(const struct fr_record_source *source, struct fr_error *error);

/* Make a record from a payload that fr_record_new() has normalised before, without a check. Returns
 * the record with one reference; NULL: memory is exhausted. Any thread. */
struct fr_record *fr_record_known(const struct fr_record_source *source, int64_t created_ns,
                                  bool resend);

/* Returns the time by which the values of one vehicle are ordered, in ns since 1970: created_ns, or
 * the time of receipt if created_ns is 0. */
int64_t fr_record_time_ns(const struct fr_record *record);

/* Returns a small record that contains one datum of this record and can be kept for long. The bytes
 * and the text of *datum are moved to the returned record; its value may be a converted one. A
 * record with a small payload is returned itself, with a new reference; from a larger one a record
 * with this datum alone is made. The caller owns one reference. Returns NULL if memory is exhausted.
 * Any thread. */
struct fr_record *fr_record_excerpt(struct fr_record *record, struct fr_datum *datum);

/* Returns the memory of a record and its decoded data, in bytes. */
size_t fr_record_memory(const struct fr_record *record);

/* Acquire a reference. Returns the record. Any thread. */
struct fr_record *fr_record_ref(struct fr_record *record);

/* Release a reference; the last one frees the record. Any thread. */
void fr_record_unref(struct fr_record *record);

/* Returns the data of a V record, which are decoded by the first call; no data for other types.
 * Valid as long as the record. Returns NULL only if memory is exhausted. Any thread. */
const struct fr_data *fr_record_data(struct fr_record *record);

#endif
