#include "ingest/inbox.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "util/log.h"
#include "util/memory.h"

void fr_inbox_init(struct fr_inbox *inbox)
{
    inbox->wake_fd = -1;
    pthread_mutex_init(&inbox->lock, NULL);
}

int fr_inbox_open(struct fr_inbox *inbox)
{
    inbox->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    return inbox->wake_fd < 0 ? -1 : 0;
}

void fr_inbox_close(struct fr_inbox *inbox)
{
    if (inbox->wake_fd >= 0)
        close(inbox->wake_fd);
    free(inbox->evictions);
    pthread_mutex_destroy(&inbox->lock);
}

void fr_inbox_wake(struct fr_inbox *inbox)
{
    uint64_t one = 1;

    if (!atomic_exchange(&inbox->signaled, true) && write(inbox->wake_fd, &one, sizeof one) < 0)
        fr_log(FR_LOG_ERROR, "cannot wake an ingest worker: %s", strerror(errno));
}

void fr_inbox_wake_again(struct fr_inbox *inbox)
{
    atomic_store(&inbox->signaled, false);
    fr_inbox_wake(inbox);
}

void fr_inbox_complete(struct fr_inbox *inbox, struct fr_record *first, struct fr_record *last)
{
    pthread_mutex_lock(&inbox->lock);
    if (inbox->completed_first == NULL)
        inbox->completed_first = first;
    else
        inbox->completed_last->ack_next = first;
    inbox->completed_last = last;
    pthread_mutex_unlock(&inbox->lock);
    fr_inbox_wake(inbox);
}

void fr_inbox_evict(struct fr_inbox *inbox, struct fr_connection_id connection)
{
    pthread_mutex_lock(&inbox->lock);
    if (inbox->eviction_count == inbox->eviction_capacity) {
        inbox->eviction_capacity = inbox->eviction_capacity * 2 + 16;
        inbox->evictions =
            fr_realloc(inbox->evictions, inbox->eviction_capacity, sizeof *inbox->evictions);
    }
    inbox->evictions[inbox->eviction_count++] = connection;
    pthread_mutex_unlock(&inbox->lock);
    fr_inbox_wake(inbox);
}

void fr_inbox_acknowledge_wake(struct fr_inbox *inbox)
{
    uint64_t count;

    if (read(inbox->wake_fd, &count, sizeof count) < 0 && errno != EAGAIN)
        fr_log(FR_LOG_ERROR, "cannot read the eventfd of an ingest worker: %s", strerror(errno));
    atomic_store(&inbox->signaled, false);
}

struct fr_record *fr_inbox_take_completed(struct fr_inbox *inbox)
{
    struct fr_record *first;

    pthread_mutex_lock(&inbox->lock);
    first = inbox->completed_first;
    inbox->completed_first = inbox->completed_last = NULL;
    pthread_mutex_unlock(&inbox->lock);
    return first;
}

size_t fr_inbox_take_evictions(struct fr_inbox *inbox, struct fr_connection_id **list)
{
    size_t count;

    pthread_mutex_lock(&inbox->lock);
    *list = inbox->evictions;
    count = inbox->eviction_count;
    inbox->evictions = NULL;
    inbox->eviction_count = inbox->eviction_capacity = 0;
    pthread_mutex_unlock(&inbox->lock);
    return count;
}
