#include "record/record.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "record/normalise.h"
#include "util/counters.h"

/* A record with a smaller payload is its own excerpt. */
#define EXCERPT_PAYLOAD_MIN 512

static struct fr_data no_data; /* shared by all records without data; never freed */

bool fr_vin_valid(const char *vin, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)vin[i] <= 0x20 || (unsigned char)vin[i] >= 0x7f || vin[i] == '/' ||
            vin[i] == '.')
            return false;
    return len != 0 && len <= FR_VIN_MAX;
}

/* Copy bytes and a NUL to *at and advance *at. Returns the copy. */
static char *record_copy(char **at, const void *bytes, size_t len)
{
    char *copy = *at;

    if (len != 0)
        memcpy(copy, bytes, len);
    copy[len] = '\0';
    *at += len + 1;
    return copy;
}

static struct fr_record *record_assemble(const struct fr_record_source *source,
                                         const struct fr_normalised *normalised,
                                         const uint8_t *payload, size_t payload_len)
{
    size_t vin_len = strlen(source->vin), version_len = strlen(source->client_version);
    size_t size = sizeof(struct fr_record) + vin_len + source->topic_len + source->txid_len +
                  version_len + payload_len + 5 +
                  (source->ack_topic != NULL ? source->ack_topic_len + 1 : 0);
    struct fr_record *record = malloc(size);
    char *at;

    if (record == NULL)
        return NULL;
    at = (char *)(record + 1);
    memset(record, 0, sizeof *record);
    atomic_init(&record->references, 1);
    atomic_init(&record->unconfirmed, 0);
    atomic_init(&record->refused, false);
    atomic_init(&record->data, NULL);
    record->type = fr_record_type_of(source->topic, source->topic_len);
    record->resend = normalised->resend;
    record->created_ns = normalised->created_ns;
    record->received_ms = source->received_ms;
    record->vin = record_copy(&at, source->vin, vin_len);
    record->topic = record_copy(&at, source->topic, source->topic_len);
    record->ack_topic = source->ack_topic != NULL
                            ? record_copy(&at, source->ack_topic, source->ack_topic_len)
                            : record->topic;
    record->txid = record_copy(&at, source->txid, source->txid_len);
    record->txid_len = source->txid_len;
    record->client_version = record_copy(&at, source->client_version, version_len);
    record->payload = (const uint8_t *)record_copy(&at, payload, payload_len);
    record->payload_len = payload_len;
    record->size = size;
    assert(at == (char *)record + size);
    return record;
}

/* Ignore a creation time that is too far ahead. With it, all later records of the vehicle would
 * count as late, and no later value could replace the values of this record. */
static void record_drop_future_time(struct fr_normalised *normalised, int64_t received_ms)
{
    if (received_ms == 0 || normalised->created_ns / 1000000 <= received_ms + FR_CLOCK_AHEAD_MS)
        return;
    fr_count(FR_COUNT_CREATED_AHEAD);
    normalised->created_ns = 0;
}

struct fr_record *fr_record_new(const struct fr_record_source *source, struct fr_error *error)
{
    struct fr_buffer rewritten = {0};
    struct fr_normalised normalised;
    struct fr_record *record = NULL;

    if (fr_normalise(fr_record_type_of(source->topic, source->topic_len), source->payload,
                     source->payload_len, source->vin, &normalised, &rewritten, error) != 0)
        goto out;
    record_drop_future_time(&normalised, source->received_ms);
    record = normalised.rewritten
                 ? record_assemble(source, &normalised, rewritten.bytes, rewritten.len)
                 : record_assemble(source, &normalised, source->payload, source->payload_len);
    if (record == NULL) {
        fr_count(FR_COUNT_OUT_OF_MEMORY);
        fr_error_set(error, "out of memory for a record of %zu bytes", source->payload_len);
    }
out:
    fr_buffer_free(&rewritten);
    return record;
}

struct fr_record *fr_record_known(const struct fr_record_source *source, int64_t created_ns,
                                  bool resend)
{
    struct fr_normalised normalised = {.resend = resend, .created_ns = created_ns};

    return record_assemble(source, &normalised, source->payload, source->payload_len);
}

int64_t fr_record_time_ns(const struct fr_record *record)
{
    return record->created_ns != 0 ? record->created_ns : record->received_ms * 1000000;
}

/* Whether a value has no text, or its text is part of the encoded datum. */
static bool record_text_in_datum(const struct fr_datum *datum)
{
    uintptr_t text = (uintptr_t)datum->value.text.bytes, wire = (uintptr_t)datum->wire;

    return datum->value.kind != FR_VALUE_TEXT ||
           (text >= wire && text + datum->value.text.len <= wire + datum->wire_len);
}

/* Make the datum point to the same bytes in the payload of the excerpt. */
static void record_move_datum(struct fr_datum *datum, const struct fr_record *excerpt)
{
    const uint8_t *wire =
        memmem(excerpt->payload, excerpt->payload_len, datum->wire, datum->wire_len);

    assert(wire != NULL);
    if (datum->value.kind == FR_VALUE_TEXT)
        datum->value.text.bytes =
            (const char *)wire + (datum->value.text.bytes - (const char *)datum->wire);
    datum->wire = wire;
}

struct fr_record *fr_record_excerpt(struct fr_record *record, struct fr_datum *datum)
{
    struct fr_buffer payload = {0};
    struct fr_record_source source = {
        .vin = record->vin,
        .topic = (const uint8_t *)record->topic,
        .topic_len = strlen(record->topic),
        .txid = (const uint8_t *)record->txid,
        .txid_len = record->txid_len,
        .client_version = record->client_version,
        .received_ms = record->received_ms,
    };
    struct fr_record *excerpt = NULL;

    if (record->payload_len < EXCERPT_PAYLOAD_MIN || !record_text_in_datum(datum))
        return fr_record_ref(record);
    fr_payload_of_datum(&payload, record->vin, record->created_ns, datum->wire, datum->wire_len);
    source.payload = payload.bytes;
    source.payload_len = payload.len;
    if (!payload.failed)
        excerpt = fr_record_known(&source, record->created_ns, record->resend);
    fr_buffer_free(&payload);
    if (excerpt == NULL)
        return NULL;
    excerpt->restored = record->restored;
    excerpt->repeated = record->repeated;
    excerpt->seq = record->seq;
    record_move_datum(datum, excerpt);
    return excerpt;
}

size_t fr_record_memory(const struct fr_record *record)
{
    const struct fr_data *data = atomic_load_explicit(&record->data, memory_order_acquire);

    return record->size + (data != NULL ? sizeof *data + data->count * sizeof data->datum[0] : 0);
}

struct fr_record *fr_record_ref(struct fr_record *record)
{
    uint32_t before = atomic_fetch_add_explicit(&record->references, 1, memory_order_relaxed);

    assert(before != 0);
    (void)before; /* unused with NDEBUG */
    return record;
}

void fr_record_unref(struct fr_record *record)
{
    struct fr_data *data;

    if (atomic_fetch_sub_explicit(&record->references, 1, memory_order_acq_rel) != 1)
        return;
    data = atomic_load_explicit(&record->data, memory_order_relaxed);
    if (data != &no_data)
        free(data);
    free(record);
}

static struct fr_data *record_decode(const struct fr_record *record)
{
    struct fr_payload_info info;
    struct fr_data *data;
    size_t as_sent;

    if (fr_record_types[record->type].encoding != FR_ENCODING_DATA ||
        fr_payload_inspect(record->payload, record->payload_len, &info) != 0)
        return &no_data;
    data = malloc(sizeof *data + info.data * sizeof data->datum[0]);
    if (data == NULL)
        return NULL;
    data->count =
        fr_payload_decode(record->payload, record->payload_len, data->datum, info.data, &as_sent);
    fr_count_add(FR_COUNT_VALUES_AS_SENT, as_sent);
    return data;
}

const struct fr_data *fr_record_data(struct fr_record *record)
{
    struct fr_data *data = atomic_load_explicit(&record->data, memory_order_acquire);
    struct fr_data *none = NULL;

    if (data != NULL)
        return data;
    data = record_decode(record);
    if (data == NULL)
        return NULL;
    if (atomic_compare_exchange_strong(&record->data, &none, data))
        return data;
    /* Another thread has stored its result, which is equal, in the meantime. */
    if (data != &no_data)
        free(data);
    return none;
}
