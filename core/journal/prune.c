#include "journal/prune.h"

#include <stdio.h>
#include <string.h>

#include "journal/journal_base.h"
#include "journal/store_base.h"
#include "journal/store_write.h"
#include "util/clock.h"
#include "util/counters.h"
#include "util/log.h"

/* Max number of records that one commit deletes: twice the number of appended records but at least
 * PRUNE_MIN, or PRUNE_IDLE when none are appended. */
#define PRUNE_MIN 256
#define PRUNE_IDLE 4096

/* Whether records are retained for a cursor: its sink is configured or open, and does not yield. */
static bool prune_is_retaining(const struct fr_cursor *c)
{
    return (c->configured || c->wake != NULL) && !atomic_load(&c->yields);
}

/* The first record that a retaining cursor has not completed, and the name of that cursor. */
static uint64_t prune_find_needed(struct fr_journal *j, char *name, size_t name_size)
{
    uint64_t needed = UINT64_MAX;

    pthread_mutex_lock(&j->lock);
    for (struct fr_cursor *c = j->cursors; c != NULL; c = c->next) {
        uint64_t position = atomic_load(&c->position);

        if (!prune_is_retaining(c) || position >= needed)
            continue;
        needed = position;
        snprintf(name, name_size, "%s", c->name);
    }
    pthread_mutex_unlock(&j->lock);
    return needed;
}

/* How many of the deleted records the cursor has not passed; an upper bound where numbers are
 * missing. */
static uint64_t prune_count_undelivered(const struct fr_cursor *c,
                                        const struct fr_store_pruned *pruned)
{
    uint64_t position = atomic_load(&c->position), count = pruned->end - pruned->first;

    if (!prune_is_retaining(c) || position >= pruned->end)
        return 0;
    if (position > pruned->first)
        count = pruned->end - position;
    return count < pruned->count ? count : pruned->count;
}

/* Add to the stored numbers, not to those in memory: a failed commit may be on disk. After
 * reopening (j->confirm) all numbers are read again. */
static int prune_add_dropped(struct fr_journal *j, const struct fr_store_pruned *pruned,
                             struct fr_error *error)
{
    int status = 0;

    pthread_mutex_lock(&j->lock);
    for (struct fr_cursor *c = j->cursors; c != NULL && status == 0; c = c->next) {
        uint64_t undelivered = prune_count_undelivered(c, pruned);

        c->dropped_in_txn = atomic_load(&c->dropped);
        if (undelivered == 0 && !j->confirm)
            continue;
        status = fr_store_add_dropped(j->store, c->name, undelivered, &c->dropped_in_txn, error);
    }
    pthread_mutex_unlock(&j->lock);
    return status;
}

/* The current time for retention: the slower of wall clock and monotonic clock. A wall clock that
 * jumps ahead must not age records. */
static int64_t prune_retention_now(const struct fr_journal *j)
{
    int64_t wall = fr_wall_ms(), monotonic = j->started_wall_ms + fr_monotonic_ms() - j->started_ms;

    return wall < monotonic ? wall : monotonic;
}

/* A journal whose records are all delivered is not full, even if it holds fewer records than the
 * group: the map has space for a group beyond `size`. */
static int prune_delete(struct fr_journal *j, const struct fr_journal_settings *s, size_t group,
                        struct fr_store_pruned *pruned, struct fr_error *error)
{
    char slowest[FR_STORE_NAME_MAX + 1] = "";
    uint64_t used = fr_store_record_bytes(j->store), first = fr_store_first(j->store);
    uint64_t needed = prune_find_needed(j, slowest, sizeof slowest);
    struct fr_store_old old = {.before_ms = prune_retention_now(j) - s->retention_ms,
                               .needed = needed};
    size_t max = group == 0 ? PRUNE_IDLE : group * 2 > PRUNE_MIN ? group * 2 : PRUNE_MIN;

    atomic_store(&j->filling, used > s->size / 4 * 3);
    if (s->when_full == FR_JOURNAL_DROP_OLDEST)
        old.needed = UINT64_MAX;
    if (!atomic_load(&j->registered))
        return 0;
    if (used > s->size || j->reclaim) {
        old.below = old.needed;
        j->full = group != 0 && old.below < atomic_load(&j->next) &&
                  (old.below <= first || old.below - first < group);
        if (j->full)
            return fr_error_set(error,
                                "journal %s: full: %llu MB, and its oldest record is not delivered "
                                "by every sink (repair sink %s, or raise `size:`)",
                                j->path, (unsigned long long)(s->size / 1000000), slowest);
    }
    if (fr_store_prune(j->store, &old, max, pruned, error) != 0)
        return -1;
    if (used > s->size && pruned->count == max)
        atomic_store(&j->prune_more, true);
    return 0;
}

int fr_journal_prune(struct fr_journal *j, const struct fr_journal_settings *s, size_t group,
                     size_t *count, struct fr_error *error)
{
    struct fr_store_pruned pruned = {.count = 0};

    *count = 0;
    if (prune_delete(j, s, group, &pruned, error) != 0)
        return -1;
    *count = pruned.count;
    return prune_add_dropped(j, &pruned, error);
}

void fr_journal_publish_dropped(struct fr_journal *j)
{
    uint64_t max = 0;
    struct fr_cursor *first;

    pthread_mutex_lock(&j->lock);
    first = j->cursors;
    pthread_mutex_unlock(&j->lock);
    /* Cursors are only added, at the head: the rest of the list needs no lock. */
    for (struct fr_cursor *c = first; c != NULL; c = c->next) {
        uint64_t before = atomic_load(&c->dropped), added = c->dropped_in_txn - before;

        if (c->dropped_in_txn <= before) { /* less: the file was replaced by an older one */
            atomic_store(&c->dropped, c->dropped_in_txn);
            continue;
        }
        if (added > max)
            max = added;
        atomic_store(&c->dropped, c->dropped_in_txn);
        fr_log_limited(&c->dropped_log, FR_LOG_WARNING,
                       "journal: records are deleted before sink %s has delivered them: "
                       "`retention:` or `size:` is reached and `when_full:` is drop-oldest; repair "
                       "the sink (%llu records so far)",
                       c->name, (unsigned long long)c->dropped_in_txn);
    }
    fr_count_add(FR_COUNT_JOURNAL_DROPPED, max);
}

bool fr_journal_reclaim(struct fr_journal *j)
{
    struct fr_journal_settings s = fr_journal_settings_now(j);
    size_t pruned = 0;
    struct fr_error error;
    int status = fr_store_begin(j->store, &error);

    if (status != 0)
        return false;
    j->reclaim = true;
    status = fr_journal_prune(j, &s, 0, &pruned, &error);
    j->reclaim = false;
    if (status == 0 && pruned != 0)
        status = fr_store_commit(j->store, &error);
    else {
        fr_store_abort(j->store);
        return false;
    }
    if (status == 0)
        fr_journal_publish_dropped(j);
    return status == 0;
}
