/*
 * A libFuzzer mutator for the protobuf message that follows the first byte of an input. It repeats
 * or removes a field, changes its number, sets a boundary value, or mutates its content. It adapts
 * the lengths of the enclosing messages, so that the parser accepts most inputs.
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
    const uint8_t *start, *content; /* content: after the key and the length */
    size_t size, len;               /* of the field with its key, and of the content */
    uint64_t key;
};

static uint32_t random_state;

/* A pseudo-random number from 0 to below - 1. */
static uint32_t random_below(uint32_t below)
{
    random_state = random_state * 1664525u + 1013904223u;
    return (random_state >> 8) % below;
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

/* Read the field at `at`. Returns 0 if there is no complete field. */
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

static void put_boundary_value(struct out *out, unsigned wire)
{
    static const double reals[] = {0,      -0.0,     1e300, -1e300, 90,  90.0001, -180,    180.0001,
                                   1e-300, 4.9e-324, 1e15,  9e15,   0.1, 2e9,     -9.3e18, 1.7e308};
    static const int64_t integers[] = {
        0,         1,         -1,           127,          128,   4096, INT32_MAX, INT32_MIN,
        INT64_MAX, INT64_MIN, 253402300800, 315576000000, 86400, 24,   60,        65536};
    double real = random_below(6) == 0 ? (random_below(2)   ? NAN
                                          : random_below(2) ? INFINITY
                                                            : -INFINITY)
                                       : reals[random_below(16)];
    float single = (float)real;

    if (wire == 0)
        put_varint(out, (uint64_t)integers[random_below(16)]);
    else if (wire == 1)
        put(out, &real, sizeof real);
    else
        put(out, &single, sizeof single);
}

static size_t mutate_message(const uint8_t *bytes, size_t len, struct out *out, unsigned depth);

/* Write a length-delimited field whose content is mutated as a message or as bytes. */
static void put_mutated(struct out *out, const struct field *f, unsigned depth)
{
    uint8_t *buffer = malloc(SIZE_MAX_OUT);
    struct out inner = {buffer, 0, SIZE_MAX_OUT};
    struct field probe;

    if (depth < DEPTH_MAX && f->len != 0 && next_field(f->content, f->len, &probe) &&
        random_below(4) != 0)
        mutate_message(f->content, f->len, &inner, depth + 1);
    else {
        size_t capacity = f->len + 64 < SIZE_MAX_OUT ? f->len + 64 : SIZE_MAX_OUT;

        inner.len = f->len < capacity ? f->len : capacity;
        memcpy(buffer, f->content, inner.len);
        inner.len = LLVMFuzzerMutate(buffer, inner.len, capacity);
    }
    put_varint(out, f->key);
    put_varint(out, inner.len);
    put(out, buffer, inner.len);
    free(buffer);
}

static void mutate_field(struct out *out, const struct field *f, unsigned depth)
{
    unsigned wire = f->key & 7, mutation = random_below(8);

    if (mutation == 0) /* removed */
        return;
    if (mutation == 1) { /* repeated twice, or up to 199 times */
        for (uint32_t n = random_below(16) == 0 ? random_below(200) : 2; n != 0; n--)
            put(out, f->start, f->size);
    } else if (mutation == 2) { /* with another field number, small or large */
        put_varint(out, (uint64_t)(random_below(3) ? random_below(60) + 1 : random_below(1u << 20))
                                << 3 |
                            wire);
        if (wire == 2)
            put_varint(out, f->len);
        put(out, f->content, f->len);
    } else if (wire == 2)
        put_mutated(out, f, depth);
    else {
        put_varint(out, f->key);
        put_boundary_value(out, wire);
    }
}

static size_t mutate_message(const uint8_t *bytes, size_t len, struct out *out, unsigned depth)
{
    struct field f;
    uint32_t fields = 0, chosen;

    for (size_t at = 0; at < len && next_field(bytes + at, len - at, &f); at += f.size)
        fields++;
    chosen = random_below(fields != 0 ? fields : 1);
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

    random_state = seed;
    if (size < 2 || random_below(3) == 0 || !next_field(data + 1, size - 1, &probe))
        return LLVMFuzzerMutate(data, size, max_size);
    if (random_below(8) == 0)
        data[0] = (uint8_t)random_below(256);
    copy = malloc(size - 1);
    memcpy(copy, data + 1, size - 1);
    mutate_message(copy, size - 1, &out, 0);
    free(copy);
    return out.len + 1;
}
