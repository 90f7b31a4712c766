#include "ingest/envelope.h"

#include <string.h>

/* ---- reading --------------------------------------------------------------------- */

struct table {
    const uint8_t *bytes;
    size_t len;    /* of the whole buffer */
    size_t at;     /* where the table stands */
    size_t vtable; /* where its vtable stands */
    size_t slots;
};

static uint16_t load16(const uint8_t *at)
{
    return (uint16_t)(at[0] | at[1] << 8);
}

static uint32_t load32(const uint8_t *at)
{
    return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

/* Is there room for `size` bytes at `at`? Both come from the message. */
static bool fits(size_t len, uint64_t at, uint64_t size)
{
    return at <= len && size <= len - at;
}

static int open_table(const uint8_t *bytes, size_t len, uint64_t at, struct table *table)
{
    int64_t vtable;
    size_t size;

    if (!fits(len, at, 4))
        return -1;
    vtable = (int64_t)at - (int32_t)load32(bytes + at);
    if (vtable < 0 || !fits(len, (uint64_t)vtable, 4))
        return -1;
    size = load16(bytes + vtable);
    if (size < 4 || !fits(len, (uint64_t)vtable, size))
        return -1;
    *table = (struct table){bytes, len, (size_t)at, (size_t)vtable, (size - 4) / 2};
    return 0;
}

/* Where a slot's content stands: 1, or 0 when it is absent, or -1 when it lies outside. */
static int find(const struct table *table, size_t slot, size_t size, size_t *at)
{
    uint16_t offset;

    if (slot >= table->slots)
        return 0;
    offset = load16(table->bytes + table->vtable + 4 + 2 * slot);
    if (offset == 0)
        return 0;
    *at = table->at + offset;
    return fits(table->len, *at, size) ? 1 : -1;
}

static int read_vector(const struct table *table, size_t slot, struct fr_span *span)
{
    size_t at = 0;
    uint64_t vector;
    int found = find(table, slot, 4, &at);

    *span = (struct fr_span){NULL, 0};
    if (found <= 0)
        return found;
    vector = (uint64_t)at + load32(table->bytes + at);
    if (!fits(table->len, vector, 4) ||
        !fits(table->len, vector + 4, load32(table->bytes + vector)))
        return -1;
    span->bytes = table->bytes + vector + 4;
    span->len = load32(table->bytes + vector);
    return 0;
}

static int read_stream(const struct table *table, struct fr_envelope *envelope)
{
    size_t at = 0;
    int found;

    found = find(table, 0, 4, &at);
    if (found < 0)
        return -1;
    if (found)
        envelope->created_at = load32(table->bytes + at);
    found = find(table, 5, 8, &at);
    if (found < 0)
        return -1;
    if (found)
        envelope->delivered_at_ms =
            load32(table->bytes + at) | (uint64_t)load32(table->bytes + at + 4) << 32;
    if (read_vector(table, 1, &envelope->sender_id) < 0 ||
        read_vector(table, 2, &envelope->payload) < 0 ||
        read_vector(table, 3, &envelope->device_type) < 0 ||
        read_vector(table, 4, &envelope->device_id) < 0)
        return -1;
    return 0;
}

int fr_envelope_read(const uint8_t *bytes, size_t len, struct fr_envelope *envelope)
{
    struct table root, stream;
    size_t at = 0;
    int found;

    memset(envelope, 0, sizeof *envelope);
    if (len < 4 || open_table(bytes, len, load32(bytes), &root) < 0)
        return -1;
    if (read_vector(&root, 0, &envelope->txid) < 0 || read_vector(&root, 1, &envelope->topic) < 0 ||
        read_vector(&root, 4, &envelope->message_id) < 0)
        return -1;
    found = find(&root, 2, 1, &at);
    if (found < 0)
        return -1;
    if (found)
        envelope->kind = bytes[at];
    found = find(&root, 3, 4, &at);
    if (found < 0)
        return -1;
    envelope->has_message = found > 0;
    if (envelope->kind != FR_ENVELOPE_STREAM || !envelope->has_message)
        return 0;
    if (open_table(bytes, len, (uint64_t)at + load32(bytes + at), &stream) < 0)
        return -1;
    return read_stream(&stream, envelope);
}

/* ---- writing --------------------------------------------------------------------- */

/*
 * Everything we write has one layout: the root offset, the envelope's vtable and table, its
 * vectors (message_id, topic, txid), then the message. Positions count from the envelope's
 * first byte, which is where offsets are measured.
 */
#define ENVELOPE_TABLE 20 /* behind the root offset, two bytes of padding and the vtable */
#define ENVELOPE_HEAD 44  /* where the first vector stands */
#define STREAM_VTABLE 14

static void put16(struct fr_buffer *out, uint16_t value)
{
    uint8_t bytes[2] = {(uint8_t)value, (uint8_t)(value >> 8)};

    fr_buffer_append(out, bytes, sizeof bytes);
}

static void put32(struct fr_buffer *out, size_t value)
{
    uint8_t bytes[4] = {(uint8_t)value, (uint8_t)(value >> 8), (uint8_t)(value >> 16),
                        (uint8_t)(value >> 24)};

    fr_buffer_append(out, bytes, sizeof bytes);
}

static void put_zeros(struct fr_buffer *out, size_t count)
{
    static const uint8_t zeros[8];

    fr_buffer_append(out, zeros, count);
}

/* Bytes that a vector takes up: length, content, a NUL, padding to four. */
static size_t vector_size(struct fr_span span)
{
    return 4 + (span.len + 1 + 3) / 4 * 4;
}

static void put_vector(struct fr_buffer *out, struct fr_span span)
{
    put32(out, span.len);
    fr_buffer_append(out, span.bytes, span.len);
    put_zeros(out, vector_size(span) - 4 - span.len);
}

/* The envelope up to its message, which the caller puts at position `message`. */
static void put_envelope(struct fr_buffer *out, const struct fr_envelope *envelope, uint8_t kind,
                         size_t message)
{
    static const uint16_t vtable[] = {14, 24, 20, 16, 15, 8, 4};
    size_t id = ENVELOPE_HEAD, topic = id + vector_size(envelope->message_id),
           txid = topic + vector_size(envelope->topic);

    put32(out, ENVELOPE_TABLE);
    put16(out, 0);
    for (size_t i = 0; i < sizeof vtable / sizeof *vtable; i++)
        put16(out, vtable[i]);
    put32(out, 14);
    put32(out, id - (ENVELOPE_TABLE + 4));
    put32(out, message - (ENVELOPE_TABLE + 8));
    put_zeros(out, 3);
    fr_buffer_byte(out, kind);
    put32(out, topic - (ENVELOPE_TABLE + 16));
    put32(out, txid - (ENVELOPE_TABLE + 20));
    put_vector(out, envelope->message_id);
    put_vector(out, envelope->topic);
    put32(out, envelope->txid.len);
    fr_buffer_append(out, envelope->txid.bytes, envelope->txid.len);
}

/* Where the txid, the last vector, ends with its NUL. */
static size_t vectors_end(const struct fr_envelope *envelope)
{
    return ENVELOPE_HEAD + vector_size(envelope->message_id) + vector_size(envelope->topic) + 4 +
           envelope->txid.len + 1;
}

/* A table with a vtable of so many bytes before it stands here, on a multiple of four. */
static size_t table_after(const struct fr_envelope *envelope, size_t vtable)
{
    return (vectors_end(envelope) + vtable + 3) / 4 * 4;
}

/* The txid's NUL and the padding up to the message's vtable. */
static void put_gap(struct fr_buffer *out, const struct fr_envelope *envelope, size_t vtable)
{
    put_zeros(out, table_after(envelope, vtable) - vtable - vectors_end(envelope) + 1);
}

void fr_envelope_write_ack(struct fr_buffer *out, struct fr_span txid, struct fr_span topic)
{
    struct fr_envelope envelope = {.txid = txid, .topic = topic};

    put_envelope(out, &envelope, FR_ENVELOPE_ACK, table_after(&envelope, 4));
    put_gap(out, &envelope, 4);
    put16(out, 4); /* an empty vtable and its table: what a strict FlatBuffers reader wants */
    put16(out, 4);
    put32(out, 4);
}

static void put_stream(struct fr_buffer *out, const struct fr_envelope *envelope)
{
    bool created = envelope->created_at != 0;
    size_t table = created ? 24 : 20;
    size_t id = table, type = id + vector_size(envelope->device_id),
           payload = type + vector_size(envelope->device_type),
           sender = payload + vector_size(envelope->payload);

    put16(out, STREAM_VTABLE);
    put16(out, (uint16_t)table);
    put16(out, created ? 20 : 0);
    put16(out, 16);
    put16(out, 12);
    put16(out, 8);
    put16(out, 4);
    put32(out, 14);
    put32(out, id - 4);
    put32(out, type - 8);
    put32(out, payload - 12);
    put32(out, sender - 16);
    if (created)
        put32(out, envelope->created_at);
    put_vector(out, envelope->device_id);
    put_vector(out, envelope->device_type);
    put_vector(out, envelope->payload);
    put_vector(out, envelope->sender_id);
}

void fr_envelope_write_stream(struct fr_buffer *out, const struct fr_envelope *envelope)
{
    put_envelope(out, envelope, FR_ENVELOPE_STREAM, table_after(envelope, STREAM_VTABLE));
    put_gap(out, envelope, STREAM_VTABLE);
    put_stream(out, envelope);
}

void fr_envelope_write_error(struct fr_buffer *out, struct fr_span txid)
{
    static const char reason[] = "incorrect message format";
    struct fr_envelope envelope = {.txid = txid,
                                   .payload = {(const uint8_t *)reason, sizeof reason - 1}};

    fr_envelope_write_stream(out, &envelope);
}
