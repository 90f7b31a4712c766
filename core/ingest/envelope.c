#include "ingest/envelope.h"

#include <string.h>

/* ---- reading --------------------------------------------------------------------- */

struct table {
    const uint8_t *bytes;
    size_t len;    /* of the whole buffer */
    size_t offset; /* of the table in the buffer */
    size_t vtable; /* offset of its vtable in the buffer */
    size_t slots;  /* number of fields in the vtable */
};

enum field_status {
    FIELD_ABSENT,
    FIELD_PRESENT,
    FIELD_OUTSIDE, /* its content lies outside the buffer: the envelope is malformed */
};

static uint16_t envelope_load16(const uint8_t *at)
{
    return (uint16_t)(at[0] | at[1] << 8);
}

static uint32_t envelope_load32(const uint8_t *at)
{
    return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

/* Whether `size` bytes at offset `at` are within the buffer. Both numbers come from the message. */
static bool envelope_fits(size_t len, uint64_t at, uint64_t size)
{
    return at <= len && size <= len - at;
}

/* Check the table at offset `at` and its vtable. -1: a part of them is outside the buffer. */
static int envelope_open_table(const uint8_t *bytes, size_t len, uint64_t at, struct table *table)
{
    int64_t vtable;
    size_t size;

    if (!envelope_fits(len, at, 4))
        return -1;
    vtable = (int64_t)at - (int32_t)envelope_load32(bytes + at);
    if (vtable < 0 || !envelope_fits(len, (uint64_t)vtable, 4))
        return -1;
    size = envelope_load16(bytes + vtable);
    if (size < 4 || !envelope_fits(len, (uint64_t)vtable, size))
        return -1;
    *table = (struct table){bytes, len, (size_t)at, (size_t)vtable, (size - 4) / 2};
    return 0;
}

/* Find the content, of `size` bytes, of a table's field; *at is its offset in the buffer. */
static enum field_status envelope_find(const struct table *table, size_t slot, size_t size,
                                       size_t *at)
{
    uint16_t offset;

    if (slot >= table->slots)
        return FIELD_ABSENT;
    offset = envelope_load16(table->bytes + table->vtable + 4 + 2 * slot);
    if (offset == 0)
        return FIELD_ABSENT;
    *at = table->offset + offset;
    return envelope_fits(table->len, *at, size) ? FIELD_PRESENT : FIELD_OUTSIDE;
}

/* Read a field that is a vector of bytes; *span is empty when it is absent. -1: malformed. */
static int envelope_read_vector(const struct table *table, size_t slot, struct fr_span *span)
{
    size_t at = 0;
    uint64_t vector;
    enum field_status found = envelope_find(table, slot, 4, &at);

    *span = (struct fr_span){NULL, 0};
    if (found != FIELD_PRESENT)
        return found == FIELD_ABSENT ? 0 : -1;
    vector = (uint64_t)at + envelope_load32(table->bytes + at);
    if (!envelope_fits(table->len, vector, 4) ||
        !envelope_fits(table->len, vector + 4, envelope_load32(table->bytes + vector)))
        return -1;
    span->bytes = table->bytes + vector + 4;
    span->len = envelope_load32(table->bytes + vector);
    return 0;
}

static int envelope_read_stream(const struct table *table, struct fr_envelope *envelope)
{
    size_t at = 0;
    enum field_status found;

    found = envelope_find(table, 0, 4, &at);
    if (found == FIELD_OUTSIDE)
        return -1;
    if (found == FIELD_PRESENT)
        envelope->created_at = envelope_load32(table->bytes + at);
    found = envelope_find(table, 5, 8, &at);
    if (found == FIELD_OUTSIDE)
        return -1;
    if (found == FIELD_PRESENT)
        envelope->delivered_at_ms = envelope_load32(table->bytes + at) |
                                    (uint64_t)envelope_load32(table->bytes + at + 4) << 32;
    if (envelope_read_vector(table, 1, &envelope->sender_id) < 0 ||
        envelope_read_vector(table, 2, &envelope->payload) < 0 ||
        envelope_read_vector(table, 3, &envelope->device_type) < 0 ||
        envelope_read_vector(table, 4, &envelope->device_id) < 0)
        return -1;
    return 0;
}

int fr_envelope_read(const uint8_t *bytes, size_t len, struct fr_envelope *envelope)
{
    struct table root, stream;
    size_t at = 0;
    enum field_status found;

    memset(envelope, 0, sizeof *envelope);
    if (len < 4 || envelope_open_table(bytes, len, envelope_load32(bytes), &root) < 0)
        return -1;
    if (envelope_read_vector(&root, 0, &envelope->txid) < 0 ||
        envelope_read_vector(&root, 1, &envelope->topic) < 0 ||
        envelope_read_vector(&root, 4, &envelope->message_id) < 0)
        return -1;
    found = envelope_find(&root, 2, 1, &at);
    if (found == FIELD_OUTSIDE)
        return -1;
    if (found == FIELD_PRESENT)
        envelope->kind = bytes[at];
    found = envelope_find(&root, 3, 4, &at);
    if (found == FIELD_OUTSIDE)
        return -1;
    envelope->has_message = found == FIELD_PRESENT;
    if (envelope->kind != FR_ENVELOPE_STREAM || !envelope->has_message)
        return 0;
    if (envelope_open_table(bytes, len, (uint64_t)at + envelope_load32(bytes + at), &stream) < 0)
        return -1;
    return envelope_read_stream(&stream, envelope);
}

/* ---- writing --------------------------------------------------------------------- */

/*
 * Written envelopes have one layout: the root offset, the envelope's vtable and table, its vectors
 * (message_id, topic, txid), then the message. Offsets count from the envelope's first byte.
 */
#define ENVELOPE_TABLE 20 /* offset of the table: after root offset, two bytes of padding, vtable */
#define ENVELOPE_HEAD 44  /* offset of the first vector */
#define STREAM_VTABLE 14  /* size in bytes */

static void envelope_put16(struct fr_buffer *out, uint16_t value)
{
    uint8_t bytes[2] = {(uint8_t)value, (uint8_t)(value >> 8)};

    fr_buffer_append(out, bytes, sizeof bytes);
}

static void envelope_put32(struct fr_buffer *out, size_t value)
{
    uint8_t bytes[4] = {(uint8_t)value, (uint8_t)(value >> 8), (uint8_t)(value >> 16),
                        (uint8_t)(value >> 24)};

    fr_buffer_append(out, bytes, sizeof bytes);
}

static void envelope_put_zeros(struct fr_buffer *out, size_t count)
{
    static const uint8_t zeros[8];

    fr_buffer_append(out, zeros, count);
}

/* The size of a vector in bytes: length, content, a NUL, padding to a multiple of four. */
static size_t envelope_vector_size(struct fr_span span)
{
    return 4 + (span.len + 1 + 3) / 4 * 4;
}

static void envelope_put_vector(struct fr_buffer *out, struct fr_span span)
{
    envelope_put32(out, span.len);
    fr_buffer_append(out, span.bytes, span.len);
    envelope_put_zeros(out, envelope_vector_size(span) - 4 - span.len);
}

/* Write the envelope up to its message, which the caller writes at offset `message`. */
static void envelope_put_envelope(struct fr_buffer *out, const struct fr_envelope *envelope,
                                  uint8_t kind, size_t message)
{
    static const uint16_t vtable[] = {14, 24, 20, 16, 15, 8, 4};
    size_t id = ENVELOPE_HEAD, topic = id + envelope_vector_size(envelope->message_id),
           txid = topic + envelope_vector_size(envelope->topic);

    envelope_put32(out, ENVELOPE_TABLE);
    envelope_put16(out, 0);
    for (size_t i = 0; i < sizeof vtable / sizeof *vtable; i++)
        envelope_put16(out, vtable[i]);
    envelope_put32(out, 14);
    envelope_put32(out, id - (ENVELOPE_TABLE + 4));
    envelope_put32(out, message - (ENVELOPE_TABLE + 8));
    envelope_put_zeros(out, 3);
    fr_buffer_byte(out, kind);
    envelope_put32(out, topic - (ENVELOPE_TABLE + 16));
    envelope_put32(out, txid - (ENVELOPE_TABLE + 20));
    envelope_put_vector(out, envelope->message_id);
    envelope_put_vector(out, envelope->topic);
    envelope_put32(out, envelope->txid.len);
    fr_buffer_append(out, envelope->txid.bytes, envelope->txid.len);
}

/* The offset of the end of the txid, which is the last vector, with its NUL. */
static size_t envelope_vectors_end(const struct fr_envelope *envelope)
{
    return ENVELOPE_HEAD + envelope_vector_size(envelope->message_id) +
           envelope_vector_size(envelope->topic) + 4 + envelope->txid.len + 1;
}

/* The offset, a multiple of four, of the message's table after a vtable of `vtable` bytes. */
static size_t envelope_table_after(const struct fr_envelope *envelope, size_t vtable)
{
    return (envelope_vectors_end(envelope) + vtable + 3) / 4 * 4;
}

/* Write the txid's NUL and the padding up to the message's vtable. */
static void envelope_put_gap(struct fr_buffer *out, const struct fr_envelope *envelope,
                             size_t vtable)
{
    envelope_put_zeros(out, envelope_table_after(envelope, vtable) - vtable -
                                envelope_vectors_end(envelope) + 1);
}

void fr_envelope_write_ack(struct fr_buffer *out, struct fr_span txid, struct fr_span topic)
{
    struct fr_envelope envelope = {.txid = txid, .topic = topic};

    envelope_put_envelope(out, &envelope, FR_ENVELOPE_ACK, envelope_table_after(&envelope, 4));
    envelope_put_gap(out, &envelope, 4);
    /* An empty vtable and its table: strict FlatBuffers readers require them. */
    envelope_put16(out, 4);
    envelope_put16(out, 4);
    envelope_put32(out, 4);
}

static void envelope_put_stream(struct fr_buffer *out, const struct fr_envelope *envelope)
{
    bool created = envelope->created_at != 0;
    size_t table = created ? 24 : 20;
    size_t id = table, type = id + envelope_vector_size(envelope->device_id),
           payload = type + envelope_vector_size(envelope->device_type),
           sender = payload + envelope_vector_size(envelope->payload);

    envelope_put16(out, STREAM_VTABLE);
    envelope_put16(out, (uint16_t)table);
    envelope_put16(out, created ? 20 : 0);
    envelope_put16(out, 16);
    envelope_put16(out, 12);
    envelope_put16(out, 8);
    envelope_put16(out, 4);
    envelope_put32(out, 14);
    envelope_put32(out, id - 4);
    envelope_put32(out, type - 8);
    envelope_put32(out, payload - 12);
    envelope_put32(out, sender - 16);
    if (created)
        envelope_put32(out, envelope->created_at);
    envelope_put_vector(out, envelope->device_id);
    envelope_put_vector(out, envelope->device_type);
    envelope_put_vector(out, envelope->payload);
    envelope_put_vector(out, envelope->sender_id);
}

void fr_envelope_write_stream(struct fr_buffer *out, const struct fr_envelope *envelope)
{
    envelope_put_envelope(out, envelope, FR_ENVELOPE_STREAM,
                          envelope_table_after(envelope, STREAM_VTABLE));
    envelope_put_gap(out, envelope, STREAM_VTABLE);
    envelope_put_stream(out, envelope);
}

void fr_envelope_write_error(struct fr_buffer *out, struct fr_span txid)
{
    static const char reason[] = "incorrect message format";
    struct fr_envelope envelope = {.txid = txid,
                                   .payload = {(const uint8_t *)reason, sizeof reason - 1}};

    fr_envelope_write_stream(out, &envelope);
}
