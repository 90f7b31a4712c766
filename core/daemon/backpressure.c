#include "daemon/backpressure.h"

void fr_daemon_on_writable(void *ctx)
{
    struct fr_daemon *d = ctx;
    struct fr_ingest *ingest = atomic_load(&d->ingest);

    if (ingest != NULL)
        fr_ingest_on_writable(ingest);
    pthread_mutex_lock(&d->sources_lock);
    for (size_t i = 0; i < FR_SOURCES_MAX; i++)
        if (d->sources[i] != NULL)
            fr_source_on_writable(d->sources[i]);
    pthread_mutex_unlock(&d->sources_lock);
    fr_control_on_writable(d->control);
}

void fr_daemon_set_sources(struct fr_daemon *d, const struct fr_setup *setup)
{
    pthread_mutex_lock(&d->sources_lock);
    for (size_t i = 0; i < FR_SOURCES_MAX; i++)
        d->sources[i] = setup != NULL && i < setup->server->source_count ? setup->sources[i] : NULL;
    pthread_mutex_unlock(&d->sources_lock);
}
