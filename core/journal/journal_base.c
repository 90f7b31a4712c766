#include "journal/journal_base.h"

#include <errno.h>

#include "util/clock.h"

struct fr_journal_settings fr_journal_settings_now(struct fr_journal *j)
{
    struct fr_journal_settings settings;

    pthread_mutex_lock(&j->lock);
    settings = j->settings;
    pthread_mutex_unlock(&j->lock);
    return settings;
}

bool fr_journal_stopping(struct fr_journal *j)
{
    bool stop;

    pthread_mutex_lock(&j->lock);
    stop = j->stop;
    pthread_mutex_unlock(&j->lock);
    return stop;
}

void fr_journal_wait(struct fr_journal *j, int64_t ms, bool ignore_wake)
{
    struct timespec until = fr_monotonic_after(ms);

    pthread_mutex_lock(&j->lock);
    while (!j->stop && (ignore_wake || !atomic_load(&j->woken)) &&
           pthread_cond_timedwait(&j->changed, &j->lock, &until) != ETIMEDOUT)
        ;
    pthread_mutex_unlock(&j->lock);
}

void fr_journal_wake(struct fr_journal *j)
{
    if (atomic_exchange(&j->woken, true))
        return;
    pthread_mutex_lock(&j->lock);
    pthread_cond_signal(&j->changed);
    pthread_mutex_unlock(&j->lock);
}
