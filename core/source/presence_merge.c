#include "source/presence_merge.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "util/hash.h"
#include "util/memory.h"

#define NEVER INT64_MAX
#define SLOT_MS 500 /* resolution of the timers */
#define SLOTS 1024

/* A vehicle stays in the table for this time after "away" was published, so that repeated
 * statements of its claimants are recognised. */
#define AWAY_KEPT_MS (INT64_C(10) * 60 * 1000)

/* A connection to Tesla's server that is not the newest of its vehicle counts for this time. A
 * server that crashed has reported no end of its connections. */
#define OLDER_CONNECTION_MS (INT64_C(60) * 60 * 1000)

enum merge_published { PUBLISHED_UNKNOWN, PUBLISHED_CONNECTED, PUBLISHED_AWAY };

struct merge_claim {
    uint64_t claimant; /* hash of its name */
    uint64_t instance, sequence;
    int64_t stated_ms; /* merge's time of the last statement */
    int64_t until_ms;  /* merge's time at which the claim ends; 0: it has ended */
};

struct merge_vehicle {
    struct merge_vehicle *next;                       /* in its bucket */
    struct merge_vehicle *next_in_slot, **at_in_slot; /* list of a slot */
    uint64_t hash;
    uint32_t part, part_generation;
    enum merge_published published;
    int64_t published_ns; /* time of what was published last; 0: nothing */
    int64_t due_ms;       /* of its slot */
    int64_t away_ms;      /* "away" is published at this time if no claim holds; NEVER: no */
    int64_t away_ns;      /* creation time of that statement; 0: a lease has ended */
    int64_t remove_ms;    /* the vehicle is removed at this time if no claim holds */
    unsigned claim_count;
    struct merge_claim claims[FR_MERGE_CLAIMS_MAX];
    char vin[];
};

struct fr_presence_merge {
    int64_t hold_ms, now_ms;
    size_t vehicles_max;
    int64_t slot; /* number of the slot that is processed next; its index is modulo SLOTS */
    struct merge_vehicle *slots[SLOTS];
    struct merge_vehicle **buckets;
    size_t bucket_count, count;
    uint32_t *part_generations; /* by part; a vehicle with an older generation is dropped */
    size_t part_count;
};

struct fr_presence_merge *fr_presence_merge_new(int64_t hold_ms, size_t vehicles_max)
{
    struct fr_presence_merge *m = fr_calloc(1, sizeof *m);

    m->hold_ms = hold_ms;
    m->vehicles_max = vehicles_max;
    m->bucket_count = 64;
    m->buckets = fr_calloc(m->bucket_count, sizeof(struct merge_vehicle *));
    return m;
}

void fr_presence_merge_free(struct fr_presence_merge *m)
{
    if (m == NULL)
        return;
    for (size_t i = 0; i < m->bucket_count; i++)
        for (struct merge_vehicle *v = m->buckets[i], *next; v != NULL; v = next) {
            next = v->next;
            free(v);
        }
    free(m->buckets);
    free(m->part_generations);
    free(m);
}

size_t fr_presence_merge_count(const struct fr_presence_merge *m)
{
    return m->count;
}

/* ---- parts ----------------------------------------------------------------------- */

static uint32_t *merge_part_generation(struct fr_presence_merge *m, uint32_t part)
{
    size_t index = part % FR_MERGE_PARTS_MAX;

    if (index >= m->part_count) {
        m->part_generations =
            fr_realloc(m->part_generations, index + 1, sizeof *m->part_generations);
        memset(m->part_generations + m->part_count, 0,
               (index + 1 - m->part_count) * sizeof *m->part_generations);
        m->part_count = index + 1;
    }
    return &m->part_generations[index];
}

void fr_presence_merge_drop_part(struct fr_presence_merge *m, uint32_t part)
{
    ++*merge_part_generation(m, part);
}

/* ---- timers ---------------------------------------------------------------------- */

static void merge_unschedule(struct merge_vehicle *v)
{
    if (v->at_in_slot == NULL)
        return;
    *v->at_in_slot = v->next_in_slot;
    if (v->next_in_slot != NULL)
        v->next_in_slot->at_in_slot = v->at_in_slot;
    v->at_in_slot = NULL;
}

static void merge_put_in_slot(struct fr_presence_merge *m, struct merge_vehicle *v, int64_t due_ms)
{
    int64_t slot = due_ms / SLOT_MS;
    struct merge_vehicle **at;

    if (slot < m->slot)
        slot = m->slot;
    if (slot >= m->slot + SLOTS) /* its turn comes before; it is put in a slot again then */
        slot = m->slot + SLOTS - 1;
    at = &m->slots[slot % SLOTS];
    v->due_ms = slot * SLOT_MS;
    v->next_in_slot = *at;
    if (*at != NULL)
        (*at)->at_in_slot = &v->next_in_slot;
    v->at_in_slot = at;
    *at = v;
}

static bool merge_is_claimed(const struct merge_vehicle *v)
{
    for (unsigned i = 0; i < v->claim_count; i++)
        if (v->claims[i].until_ms != 0)
            return true;
    return false;
}

/* The time at which something may happen to the vehicle without a statement. */
static int64_t merge_next_event(const struct merge_vehicle *v)
{
    int64_t due = NEVER;

    for (unsigned i = 0; i < v->claim_count; i++)
        if (v->claims[i].until_ms != 0 && v->claims[i].until_ms < due)
            due = v->claims[i].until_ms;
    if (merge_is_claimed(v))
        return due;
    return v->away_ms < v->remove_ms ? v->away_ms : v->remove_ms;
}

/* Set the vehicle's timer. A timer that is early stays: most statements only move it later. */
static void merge_schedule(struct fr_presence_merge *m, struct merge_vehicle *v)
{
    int64_t due = merge_next_event(v);

    if (v->at_in_slot != NULL && v->due_ms <= due)
        return;
    merge_unschedule(v);
    merge_put_in_slot(m, v, due);
}

/* ---- vehicles -------------------------------------------------------------------- */

static void merge_grow(struct fr_presence_merge *m)
{
    size_t count = m->bucket_count * 2;
    struct merge_vehicle **buckets = fr_calloc(count, sizeof(struct merge_vehicle *));

    for (size_t i = 0; i < m->bucket_count; i++)
        for (struct merge_vehicle *v = m->buckets[i], *next; v != NULL; v = next) {
            next = v->next;
            v->next = buckets[v->hash & (count - 1)];
            buckets[v->hash & (count - 1)] = v;
        }
    free(m->buckets);
    m->buckets = buckets;
    m->bucket_count = count;
}

static void merge_reset(struct fr_presence_merge *m, struct merge_vehicle *v, uint32_t part)
{
    merge_unschedule(v);
    v->part = part;
    v->part_generation = *merge_part_generation(m, part);
    v->published = PUBLISHED_UNKNOWN;
    v->published_ns = 0;
    v->away_ms = NEVER;
    v->away_ns = 0;
    v->remove_ms = m->now_ms + AWAY_KEPT_MS;
    v->claim_count = 0;
    memset(v->claims, 0, sizeof v->claims);
}

static bool merge_is_dropped(struct fr_presence_merge *m, const struct merge_vehicle *v)
{
    return v->part_generation != *merge_part_generation(m, v->part);
}

/* Find a vehicle, or add it. NULL: the table is full. */
static struct merge_vehicle *merge_find(struct fr_presence_merge *m, const char *vin, uint32_t part)
{
    uint64_t hash = fr_hash_text(vin, 0);
    struct merge_vehicle *v = m->buckets[hash & (m->bucket_count - 1)];
    size_t size = strlen(vin) + 1;

    while (v != NULL && (v->hash != hash || strcmp(v->vin, vin) != 0))
        v = v->next;
    if (v != NULL) {
        if (merge_is_dropped(m, v))
            merge_reset(m, v, part);
        v->part = part;
        v->part_generation = *merge_part_generation(m, part);
        return v;
    }
    if (m->count >= m->vehicles_max)
        return NULL;
    if (m->count++ >= m->bucket_count)
        merge_grow(m);
    v = fr_calloc(1, sizeof *v + size);
    memcpy(v->vin, vin, size);
    v->hash = hash;
    v->next = m->buckets[hash & (m->bucket_count - 1)];
    m->buckets[hash & (m->bucket_count - 1)] = v;
    merge_reset(m, v, part);
    return v;
}

static void merge_remove(struct fr_presence_merge *m, struct merge_vehicle *v)
{
    struct merge_vehicle **at = &m->buckets[v->hash & (m->bucket_count - 1)];

    merge_unschedule(v);
    while (*at != v)
        at = &(*at)->next;
    *at = v->next;
    m->count--;
    free(v);
}

/* The time to publish: that of the statement, or later than what was published before. */
static int64_t merge_publish(struct merge_vehicle *v, enum merge_published published,
                             int64_t created_ns)
{
    if (created_ns <= v->published_ns)
        created_ns = v->published_ns + 1000000;
    v->published = published;
    v->published_ns = created_ns;
    return created_ns;
}

/* ---- statements ------------------------------------------------------------------ */

/* The claim to replace: one that has ended before one that holds, the oldest first. */
static bool merge_is_replaced_before(const struct merge_claim *a, const struct merge_claim *b)
{
    if ((a->until_ms == 0) != (b->until_ms == 0))
        return a->until_ms == 0;
    return a->stated_ms < b->stated_ms;
}

/* Find the claim of a claimant, or make one that has ended. *is_new: it was made. A new claim may
 * replace one that holds only if it holds as well. NULL: it may not. */
static struct merge_claim *merge_find_claim(struct merge_vehicle *v, uint64_t claimant, bool holds,
                                            bool *is_new)
{
    struct merge_claim *claim = &v->claims[0];

    *is_new = false;
    for (unsigned i = 0; i < v->claim_count; i++)
        if (v->claims[i].claimant == claimant)
            return &v->claims[i];
    *is_new = true;
    if (v->claim_count < FR_MERGE_CLAIMS_MAX)
        claim = &v->claims[v->claim_count++];
    else
        for (unsigned i = 1; i < v->claim_count; i++)
            if (merge_is_replaced_before(&v->claims[i], claim))
                claim = &v->claims[i];
    if (claim->until_ms != 0 && !holds)
        return NULL;
    *claim = (struct merge_claim){.claimant = claimant};
    return claim;
}

/* A new connection to Tesla's server limits the time for which older ones count. */
static void merge_limit_older(struct fr_presence_merge *m, struct merge_vehicle *v,
                              const struct merge_claim *newest)
{
    for (unsigned i = 0; i < v->claim_count; i++)
        if (&v->claims[i] != newest && v->claims[i].until_ms == NEVER)
            v->claims[i].until_ms = m->now_ms + OLDER_CONNECTION_MS;
}

static enum fr_merge_verdict merge_enter_connected(struct fr_presence_merge *m,
                                                   struct merge_vehicle *v,
                                                   struct merge_claim *claim,
                                                   const struct fr_merge_statement *s,
                                                   struct fr_merge_result *result)
{
    claim->until_ms = s->lease_ms != 0 ? m->now_ms + s->lease_ms : NEVER;
    if (s->lease_ms == 0)
        merge_limit_older(m, v, claim);
    v->away_ms = NEVER;
    if (v->published == PUBLISHED_CONNECTED || (v->published == PUBLISHED_UNKNOWN && s->history))
        return FR_MERGE_NOTHING;
    result->created_ns = merge_publish(v, PUBLISHED_CONNECTED, s->created_ns);
    return FR_MERGE_CONNECTED;
}

static enum fr_merge_verdict merge_enter_away(struct fr_presence_merge *m, struct merge_vehicle *v,
                                              struct merge_claim *claim,
                                              const struct fr_merge_statement *s)
{
    claim->until_ms = 0;
    if (merge_is_claimed(v))
        return FR_MERGE_SUPPRESSED;
    if (v->published != PUBLISHED_AWAY && v->away_ms == NEVER) {
        v->away_ms = m->now_ms + m->hold_ms;
        v->away_ns = s->created_ns;
    }
    v->remove_ms = m->now_ms + m->hold_ms + AWAY_KEPT_MS;
    return FR_MERGE_NOTHING;
}

enum fr_merge_verdict fr_presence_merge_state(struct fr_presence_merge *m,
                                              const struct fr_merge_statement *s,
                                              struct fr_merge_result *result)
{
    struct merge_vehicle *v = merge_find(m, s->vin, s->part);
    struct merge_claim *claim;
    enum fr_merge_verdict verdict;
    bool is_new;

    *result = (struct fr_merge_result){.created_ns = s->created_ns};
    if (v == NULL)
        return FR_MERGE_FULL;
    claim = merge_find_claim(v, fr_hash_bytes(s->claimant, s->claimant_len, s->lease_ms != 0),
                             s->connected, &is_new);
    if (claim == NULL)
        return FR_MERGE_SUPPRESSED;
    if (!is_new && claim->instance == s->instance && s->sequence <= claim->sequence)
        return FR_MERGE_NOTHING; /* repeated */
    result->older_instance = !is_new && s->instance < claim->instance;
    claim->instance = s->instance;
    claim->sequence = s->sequence;
    claim->stated_ms = m->now_ms;
    verdict = s->connected ? merge_enter_connected(m, v, claim, s, result)
                           : merge_enter_away(m, v, claim, s);
    merge_schedule(m, v);
    return verdict;
}

/* ---- time ------------------------------------------------------------------------ */

static void merge_end_claims(struct fr_presence_merge *m, struct merge_vehicle *v)
{
    bool ended = false;

    for (unsigned i = 0; i < v->claim_count; i++)
        if (v->claims[i].until_ms != 0 && v->claims[i].until_ms <= m->now_ms) {
            v->claims[i].until_ms = 0;
            ended = true;
        }
    if (ended && !merge_is_claimed(v)) {
        v->away_ms = m->now_ms;
        v->away_ns = 0;
        v->remove_ms = m->now_ms + AWAY_KEPT_MS;
    }
}

/* The vehicle's timer has fired. May remove the vehicle. */
static void merge_fire(struct fr_presence_merge *m, struct merge_vehicle *v, int64_t wall_ns,
                       fr_merge_away_fn *away, void *ctx)
{
    enum merge_published published = v->published;
    int64_t published_ns = v->published_ns, created_ns;

    if (merge_is_dropped(m, v)) {
        merge_remove(m, v);
        return;
    }
    merge_end_claims(m, v);
    if (!merge_is_claimed(v) && v->away_ms <= m->now_ms) {
        created_ns = merge_publish(v, PUBLISHED_AWAY, v->away_ns != 0 ? v->away_ns : wall_ns);
        if (away(ctx, v->vin, created_ns, v->away_ns == 0)) {
            v->away_ms = NEVER;
        } else {
            v->published = published;
            v->published_ns = published_ns;
        }
    }
    if (!merge_is_claimed(v) && v->away_ms == NEVER && v->remove_ms <= m->now_ms)
        merge_remove(m, v);
    else
        merge_schedule(m, v);
}

void fr_presence_merge_advance(struct fr_presence_merge *m, int64_t elapsed_ms, int64_t wall_ns,
                               fr_merge_away_fn *away, void *ctx)
{
    assert(elapsed_ms >= 0);
    m->now_ms += elapsed_ms;
    while (m->slot < m->now_ms / SLOT_MS) {
        struct merge_vehicle *first = m->slots[m->slot % SLOTS], *v;

        m->slots[m->slot % SLOTS] = NULL;
        if (first != NULL)
            first->at_in_slot = &first;
        m->slot++; /* a vehicle of this slot is put in a later one */
        while ((v = first) != NULL) {
            merge_unschedule(v);
            merge_fire(m, v, wall_ns, away, ctx);
        }
    }
}
