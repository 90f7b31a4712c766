/*
 * Mutates the protobuf message behind the first byte of an input: fields are repeated, removed, given
 * odd numbers, or mutated alone, and the lengths around them stay right. So most inputs get past the
 * parser. With libFuzzer only.
 */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define DEPTH_MAX 6
#define SIZE_MAX_OUT 65536

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed);

struct out {
    uint8_t *bytes;
    size_t len, max;
};

struct field {
    const uint8_t *start, *content; /* content: of a length-delimited one, else the value */
    size_t size, len;               /* of the whole, and of the content */
    uint64_t key;
};

static uint32_t state;

static uint32_t any(uint32_t below)
{
    state = state * 1664525u + 1013904223u;
    return (state >> 8) % below;
}

static void put(struct out *out, const void *bytes, size_t len)
{
    if (len <= out->max - out->len) {
        memcpy(out->bytes + out->len, bytes, len);
        out->len += len;
    }
}

static void put_varint(struct out *out, uint64_t number)
{
    uint8_t bytes[10];
    size_t n = 0;

    for (; number >= 0x80; number >>= 7)
        bytes[n++] = (uint8_t)(number | 0x80);
    bytes[n++] = (uint8_t)number;
    put(out, bytes, n);
}

static size_t get_varint(const uint8_t *at, size_t len, uint64_t *number)
{
    *number = 0;
    for (size_t i = 0; i < len && i < 10; i++) {
        *number |= (uint64_t)(at[i] & 0x7f) << (7 * i);
        if (at[i] < 0x80)
            return i + 1;
    }
    return 0;
}

/* Read the field at `at`; false: there is none. */
static int next_field(const uint8_t *at, size_t len, struct field *f)
{
    size_t head = get_varint(at, len, &f->key), more;
    uint64_t size = 0;

    if (head == 0)
        return 0;
    f->start = at;
    switch (f->key & 7) {
    case 0:
        more = get_varint(at + head, len - head, &size);
        if (more == 0)
            return 0;
        f->content = at + head;
        f->len = more;
        break;
    case 1:
    case 5:
        f->content = at + head;
        f->len = (f->key & 7) == 1 ? 8 : 4;
        break;
    case 2:
        more = get_varint(at + head, len - head, &size);
        if (more == 0)
            return 0;
        f->content = at + head + more;
        f->len = size > len ? len + 1 : (size_t)size;
        break;
    default:
        return 0;
    }
    f->size = (size_t)(f->content - at) + f->len;
    return f->size <= len;
}

static void put_odd_number(struct out *out, unsigned wire)
{
    static const double reals[] = {0,      -0.0,     1e300, -1e300, 90,  90.0001, -180,    180.0001,
                                   1e-300, 4.9e-324, 1e15,  9e15,   0.1, 2e9,     -9.3e18, 1.7e308};
    static const int64_t integers[] = {
        0,         1,         -1,           127,          128,   4096, INT32_MAX, INT32_MIN,
        INT64_MAX, INT64_MIN, 253402300800, 315576000000, 86400, 24,   60,        65536};
    double real = any(6) == 0 ? (any(2) ? NAN : any(2) ? INFINITY : -INFINITY) : reals[any(16)];
    float single = (float)real;

    if (wire == 0)
        put_varint(out, (uint64_t)integers[any(16)]);
    else if (wire == 1)
        put(out, &real, sizeof real);
    else
        put(out, &single, sizeof single);
}

static size_t mutate_message(const uint8_t *bytes, size_t len, struct out *out, unsigned depth);

/* A length-delimited field with other content: as a message, or as bytes. */
static void put_mutated(struct out *out, const struct field *f, unsigned depth)
{
    uint8_t *buffer = malloc(SIZE_MAX_OUT);
    struct out inner = {buffer, 0, SIZE_MAX_OUT};
    struct field probe;

    if (depth < DEPTH_MAX && f->len != 0 && next_field(f->content, f->len, &probe) && any(4) != 0)
        mutate_message(f->content, f->len, &inner, depth + 1);
    else {
        size_t room = f->len + 64 < SIZE_MAX_OUT ? f->len + 64 : SIZE_MAX_OUT;

        inner.len = f->len < room ? f->len : room;
        memcpy(buffer, f->content, inner.len);
        inner.len = LLVMFuzzerMutate(buffer, inner.len, room);
    }
    put_varint(out, f->key);
    put_varint(out, inner.len);
    put(out, buffer, inner.len);
    free(buffer);
}

static void mutate_field(struct out *out, const struct field *f, unsigned depth)
{
    unsigned wire = f->key & 7, how = any(8);

    if (how == 0) /* removed */
        return;
    if (how == 1) { /* repeated, sometimes often */
        for (uint32_t n = any(16) == 0 ? any(200) : 2; n != 0; n--)
            put(out, f->start, f->size);
    } else if (how == 2) { /* of another number, of the catalogue or beyond it */
        put_varint(out, (uint64_t)(any(3) ? any(60) + 1 : any(1u << 20)) << 3 | wire);
        if (wire == 2)
            put_varint(out, f->len);
        put(out, f->content, f->len);
    } else if (wire == 2)
        put_mutated(out, f, depth);
    else {
        put_varint(out, f->key);
        put_odd_number(out, wire);
    }
}

static size_t mutate_message(const uint8_t *bytes, size_t len, struct out *out, unsigned depth)
{
    struct field f;
    uint32_t fields = 0, chosen;

    for (size_t at = 0; at < len && next_field(bytes + at, len - at, &f); at += f.size)
        fields++;
    chosen = any(fields != 0 ? fields : 1);
    for (size_t at = 0; at < len && next_field(bytes + at, len - at, &f); at += f.size)
        if (chosen-- == 0)
            mutate_field(out, &f, depth);
        else
            put(out, f.start, f.size);
    return out->len;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed)
{
    uint8_t *copy;
    struct out out = {data + 1, 0, max_size > 0 ? max_size - 1 : 0};
    struct field probe;

    state = seed;
    if (size < 2 || any(3) == 0 || !next_field(data + 1, size - 1, &probe))
        return LLVMFuzzerMutate(data, size, max_size);
    if (any(8) == 0)
        data[0] = (uint8_t)any(256);
    copy = malloc(size - 1);
    memcpy(copy, data + 1, size - 1);
    mutate_message(copy, size - 1, &out, 0);
    free(copy);
    return out.len + 1;
}
