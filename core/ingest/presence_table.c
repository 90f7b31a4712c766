#include "ingest/presence_table.h"

#include <stdlib.h>
#include <string.h>

#include "ingest/presence_state.h"
#include "util/hash.h"
#include "util/memory.h"

/* Vehicles outlive their connections. They are allocated many at a time, so that they do not keep
 * the pages of closed connections from being returned to the kernel. */
#define BLOCK_VEHICLES 128
#define BUCKETS_FIRST 64 /* a power of two */

struct presence_block {
    struct presence_block *next;
    struct fr_presence_vehicle vehicles[BLOCK_VEHICLES];
};

void fr_presence_table_init(struct fr_presence *p)
{
    p->bucket_count = BUCKETS_FIRST;
    p->buckets = fr_calloc(p->bucket_count, sizeof(struct fr_presence_vehicle *));
    p->online.end = &p->online.first;
    p->in_grace.end = &p->in_grace.first;
    p->expired.end = &p->expired.first;
}

void fr_presence_table_clear(struct fr_presence *p)
{
    for (size_t i = 0; i < p->bucket_count; i++)
        for (struct fr_presence_vehicle *v = p->buckets[i]; v != NULL; v = v->next)
            if (v->vin != v->short_vin)
                free(v->vin);
    for (struct presence_block *block = p->blocks, *next; block != NULL; block = next) {
        next = block->next;
        free(block);
    }
    free(p->buckets);
}

/* ---- vehicles -------------------------------------------------------------------- */

static void table_grow(struct fr_presence *p)
{
    size_t count = p->bucket_count * 2;
    struct fr_presence_vehicle **buckets = fr_calloc(count, sizeof(struct fr_presence_vehicle *));

    for (size_t i = 0; i < p->bucket_count; i++)
        for (struct fr_presence_vehicle *v = p->buckets[i], *next; v != NULL; v = next) {
            next = v->next;
            v->next = buckets[v->hash & (count - 1)];
            buckets[v->hash & (count - 1)] = v;
        }
    free(p->buckets);
    p->buckets = buckets;
    p->bucket_count = count;
}

/* A zeroed vehicle with this VIN. */
static struct fr_presence_vehicle *table_new_vehicle(struct fr_presence *p, const char *vin)
{
    size_t size = strlen(vin) + 1;
    struct fr_presence_vehicle *v;

    if (p->spare == NULL) {
        struct presence_block *block = fr_calloc(1, sizeof *block);

        block->next = p->blocks;
        p->blocks = block;
        for (size_t i = 0; i < BLOCK_VEHICLES; i++) {
            block->vehicles[i].next = p->spare;
            p->spare = &block->vehicles[i];
        }
    }
    v = p->spare;
    p->spare = v->next;
    memset(v, 0, sizeof *v);
    v->vin = size <= FR_PRESENCE_SHORT_VIN ? v->short_vin : fr_calloc(1, size);
    memcpy(v->vin, vin, size);
    return v;
}

static void table_free_vehicle(struct fr_presence *p, struct fr_presence_vehicle *v)
{
    if (v->vin != v->short_vin)
        free(v->vin);
    v->next = p->spare;
    p->spare = v;
}

struct fr_presence_vehicle *fr_presence_table_lookup(const struct fr_presence *p, const char *vin)
{
    uint64_t hash = fr_hash_text(vin, 0);
    struct fr_presence_vehicle *v = p->buckets[hash & (p->bucket_count - 1)];

    while (v != NULL && (v->hash != hash || strcmp(v->vin, vin) != 0))
        v = v->next;
    return v;
}

struct fr_presence_vehicle *fr_presence_table_add(struct fr_presence *p, const char *vin)
{
    struct fr_presence_vehicle *v = fr_presence_table_lookup(p, vin);

    if (v != NULL)
        return v;
    if (p->count++ >= p->bucket_count)
        table_grow(p);
    v = table_new_vehicle(p, vin);
    v->hash = fr_hash_text(vin, 0);
    v->next = p->buckets[v->hash & (p->bucket_count - 1)];
    p->buckets[v->hash & (p->bucket_count - 1)] = v;
    return v;
}

void fr_presence_table_remove(struct fr_presence *p, struct fr_presence_vehicle *v)
{
    struct fr_presence_vehicle **at = &p->buckets[v->hash & (p->bucket_count - 1)];

    fr_presence_table_unlink(v);
    while (*at != v)
        at = &(*at)->next;
    *at = v->next;
    p->count--;
    table_free_vehicle(p, v);
}

/* ---- lists ----------------------------------------------------------------------- */

void fr_presence_table_append(struct presence_list *list, struct fr_presence_vehicle *v)
{
    v->list = list;
    v->next_in_list = NULL;
    v->at_in_list = list->end;
    *list->end = v;
    list->end = &v->next_in_list;
    list->count++;
}

void fr_presence_table_unlink(struct fr_presence_vehicle *v)
{
    if (v->list == NULL)
        return;
    *v->at_in_list = v->next_in_list;
    if (v->next_in_list != NULL)
        v->next_in_list->at_in_list = v->at_in_list;
    else
        v->list->end = v->at_in_list;
    v->list->count--;
    v->list = NULL;
}
