/* Deleting the oldest records: what may go, what has gone, and what that cost. */
#include <stdio.h>
#include <string.h>

#include "journal/journal_state.h"
#include "util/clock.h"
#include "util/counters.h"
#include "util/log.h"

#define PRUNE_MIN 256   /* records deleted in one commit, at least if there are so many */
#define PRUNE_IDLE 4096 /* and where no records wait */

/* A cursor counts while its sink is configured or reads, unless it gave up its claim. */
static bool prune_counts(const struct fr_cursor *c)
{
    return (c->configured || c->wake != NULL) && !atomic_load(&c->yields);
}

/* The first record that some counted cursor has not finished, and whose that is. */
static uint64_t prune_needed(struct fr_journal *j, char *name, size_t name_size)
{
    uint64_t needed = UINT64_MAX;

    pthread_mutex_lock(&j->lock);
    for (struct fr_cursor *c = j->cursors; c != NULL; c = c->next) {
        uint64_t position = atomic_load(&c->place);

        if (!prune_counts(c) || position >= needed)
            continue;
        needed = position;
        snprintf(name, name_size, "%s", c->name);
    }
    pthread_mutex_unlock(&j->lock);
    return needed;
}

/* How many of the deleted records the cursor has not passed. Where the journal has holes, an upper
 * bound. */
static uint64_t prune_undelivered(const struct fr_cursor *c, const struct fr_store_pruned *pruned)
{
    uint64_t position = atomic_load(&c->place), count = pruned->end - pruned->first;

    if (!prune_counts(c) || position >= pruned->end)
        return 0;
    if (position > pruned->first)
        count = pruned->end - position;
    return count < pruned->count ? count : pruned->count;
}

/* A failed commit may be on disk all the same: the numbers there are added to, and read after
 * the environment was opened again. */
static int prune_add_dropped(struct fr_journal *j, const struct fr_store_pruned *pruned,
                             struct fr_error *error)
{
    int status = 0;

    pthread_mutex_lock(&j->lock);
    for (struct fr_cursor *c = j->cursors; c != NULL && status == 0; c = c->next) {
        uint64_t undelivered = prune_undelivered(c, pruned);

        c->dropping = atomic_load(&c->dropped);
        if (undelivered == 0 && !j->confirm)
            continue;
        status = fr_store_add_dropped(j->store, c->name, undelivered, &c->dropping, error);
    }
    pthread_mutex_unlock(&j->lock);
    return status;
}

/* The time for retention. The slower of the two clocks: a wall clock that jumps ahead must not
 * age records. */
static int64_t prune_now(const struct fr_journal *j)
{
    int64_t wall = fr_wall_ms(), steady = j->started_wall_ms + fr_monotonic_ms() - j->started_ms;

    return wall < steady ? wall : steady;
}

/* Where all is delivered the journal is not full, even if it holds fewer records than the group: the
 * map has space for a group beyond `size`. */
static int prune_delete(struct fr_journal *j, const struct fr_journal_settings *s, size_t group,
                        struct fr_store_pruned *pruned, struct fr_error *error)
{
    char slowest[FR_STORE_NAME_MAX + 1] = "";
    uint64_t used = fr_store_record_bytes(j->store), first = fr_store_first(j->store);
    uint64_t needed = prune_needed(j, slowest, sizeof slowest);
    struct fr_store_old old = {.before_ms = prune_now(j) - s->retention_ms, .needed = needed};
    size_t max = group == 0 ? PRUNE_IDLE : group * 2 > PRUNE_MIN ? group * 2 : PRUNE_MIN;

    atomic_store(&j->filling, used > s->size / 4 * 3);
    if (s->when_full == FR_JOURNAL_DROP_OLDEST)
        old.needed = UINT64_MAX;
    if (!atomic_load(&j->registered))
        return 0;
    if (used > s->size || j->squeeze) {
        old.below = old.needed;
        j->full = group != 0 && old.below < atomic_load(&j->next) &&
                  (old.below <= first || old.below - first < group);
        if (j->full)
            return fr_error_set(error,
                                "journal %s: full: %llu MB, and its oldest record is not delivered "
                                "by every sink (mend sink %s, or raise `size:`)",
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

bool fr_journal_oversize(struct fr_journal *j, struct fr_error *note)
{
    struct fr_journal_status s;

    fr_journal_status(j, &s);
    if (s.usage.record_bytes <= s.size)
        return false;
    fr_error_set(
        note,
        "journal: it holds %.1f MB, more than `size:` (%.1f MB): delivered records are "
        "deleted until it fits, and vehicles are held back while what is not delivered does "
        "not fit; the file keeps its %.1f MB and uses them again",
        (double)s.usage.record_bytes / 1e6, (double)s.size / 1e6, (double)s.usage.file_bytes / 1e6);
    return true;
}

void fr_journal_publish_dropped(struct fr_journal *j)
{
    uint64_t most = 0;
    struct fr_cursor *first;

    pthread_mutex_lock(&j->lock);
    first = j->cursors;
    pthread_mutex_unlock(&j->lock);
    /* Cursors are only added, at the head: from there on the list needs no lock. */
    for (struct fr_cursor *c = first; c != NULL; c = c->next) {
        uint64_t before = atomic_load(&c->dropped), added = c->dropping - before;

        if (c->dropping <= before) { /* less: the file is an older one */
            atomic_store(&c->dropped, c->dropping);
            continue;
        }
        if (added > most)
            most = added;
        atomic_store(&c->dropped, c->dropping);
        fr_log_limited(&c->dropped_log, FR_LOG_WARNING,
                       "journal: records are deleted before sink %s has delivered them: "
                       "`retention:` or `size:` is reached and `when_full:` is drop-oldest; mend "
                       "the sink (%llu records so far)",
                       c->name, (unsigned long long)c->dropping);
    }
    fr_count_add(FR_COUNT_JOURNAL_DROPPED, most);
}
