#include "postgres/parameters.h"

#include <stdlib.h>
#include <string.h>

#define YEAR_1_MS (-62135596800000)
#define YEAR_9999_MS 253402300799999

void parameters_free(struct parameters *p)
{
    for (size_t i = 0; i < p->size; i++)
        db_array_free(&p->arrays[i]);
    free(p->arrays);
    *p = (struct parameters){0};
}

void parameters_clear(struct parameters *p)
{
    p->count = 0;
    p->failed = false;
}

static bool parameters_grow(struct parameters *p)
{
    size_t size = p->size != 0 ? 2 * p->size : 16;
    struct db_array *arrays = realloc(p->arrays, size * sizeof *arrays);

    if (arrays == NULL)
        return false;
    memset(arrays + p->size, 0, (size - p->size) * sizeof *arrays);
    p->arrays = arrays;
    p->size = size;
    return true;
}

size_t parameters_begin(struct parameters *p, enum db_type type)
{
    if (p->failed || p->count == PARAMETERS_ARRAYS_MAX ||
        (p->count == p->size && !parameters_grow(p))) {
        p->failed = true;
        return 0;
    }
    db_array_begin(&p->arrays[p->count], type);
    return p->count++;
}

bool parameters_end(struct parameters *p)
{
    for (size_t i = 0; i < p->count; i++) {
        db_array_end(&p->arrays[i]);
        p->failed |= p->arrays[i].bytes.failed;
    }
    return !p->failed;
}

void parameters_begin_who(struct parameters *p)
{
    parameters_begin(p, DB_TEXT);
    parameters_begin(p, DB_TIMESTAMPTZ);
    parameters_begin(p, DB_TEXT);
    parameters_begin(p, DB_TIMESTAMPTZ);
}

int64_t parameters_time_ms(const struct fr_delivery *d)
{
    return d->created_ms == 0 || d->created_ms < YEAR_1_MS || d->created_ms > YEAR_9999_MS
               ? d->received_ms
               : d->created_ms;
}

static void parameters_add_txid(struct db_array *array, const char *txid, size_t len)
{
    static const char digits[] = "0123456789abcdef";
    char hex[1024] = "hex:";
    size_t at = 4;
    bool plain = true;

    for (size_t i = 0; i < len && plain; i++)
        plain = txid[i] >= ' ' && txid[i] <= '~';
    for (size_t i = 0; !plain && i < len && at + 2 <= sizeof hex; i++) {
        hex[at++] = digits[(unsigned char)txid[i] >> 4];
        hex[at++] = digits[(unsigned char)txid[i] & 15];
    }
    if (plain)
        db_array_text(array, txid, len);
    else
        db_array_text(array, hex, at);
}

void parameters_add_who(struct parameters *p, const struct fr_delivery *d)
{
    if (p->failed)
        return;
    db_array_text(&p->arrays[0], d->vin, strlen(d->vin));
    db_array_timestamptz(&p->arrays[1], parameters_time_ms(d));
    parameters_add_txid(&p->arrays[2], d->txid, d->txid_len);
    db_array_timestamptz(&p->arrays[3], d->received_ms);
}
