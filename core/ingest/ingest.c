#include "ingest/ingest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ingest/admission.h"
#include "ingest/inbox.h"
#include "ingest/ingest_state.h"
#include "ingest/listener.h"
#include "ingest/message.h"
#include "ingest/worker.h"
#include "util/clock.h"
#include "util/memory.h"

/* Statements are made again when a third of their lease has passed, so that a delay of two thirds
 * ends none. */
static void ingest_set_origin(struct fr_ingest *ingest, const struct fr_ingest_settings *settings)
{
    if (settings->front_end == NULL)
        return;
    snprintf(ingest->origin.front_end, sizeof ingest->origin.front_end, "%s", settings->front_end);
    ingest->origin.instance = (uint64_t)fr_wall_ms();
    ingest->origin.lease_ms = settings->front_end_lease_ms;
    fr_presence_set_restate(ingest->presence, settings->front_end_lease_ms / 3);
}

struct fr_ingest *fr_ingest_bind(const struct fr_ingest_settings *settings, struct fr_error *error)
{
    struct fr_ingest *ingest = fr_calloc(1, sizeof *ingest);
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    unsigned count = settings->workers != 0 ? settings->workers : cores > 0 ? (unsigned)cores : 1;

    ingest->settings = *settings;
    ingest->presence = fr_presence_new(settings->presence_grace_ms);
    ingest_set_origin(ingest, settings);
    ingest->sources = fr_source_counts_new();
    ingest->port = settings->port;
    ingest->workers = fr_calloc(count, sizeof *ingest->workers);
    if (ingest->sources == NULL) {
        fr_error_set(error, "cannot start: OpenSSL has no random bytes");
        fr_ingest_free(ingest);
        return NULL;
    }
    while (ingest->worker_count < count) {
        struct fr_worker *worker = &ingest->workers[ingest->worker_count++];

        fr_worker_init(worker, ingest);
        worker->listener = fr_listener_bind(settings->address, ingest->port, error);
        if (worker->listener < 0) {
            fr_ingest_free(ingest);
            return NULL;
        }
        ingest->port = fr_listener_port(worker->listener);
    }
    return ingest;
}

int fr_ingest_start(struct fr_ingest *ingest, SSL_CTX *context, struct fr_routes *routes,
                    struct fr_error *error)
{
    ingest->context = context;
    ingest->routes = routes;
    for (unsigned i = 0; i < ingest->worker_count; i++)
        if (fr_worker_prepare(&ingest->workers[i], error) != 0)
            return -1;
    for (unsigned i = 0; i < ingest->worker_count; i++) {
        int code = fr_worker_start(&ingest->workers[i]);

        if (code != 0)
            return fr_error_set(error,
                                "cannot start ingest thread %u of %u: %s; raise TasksMax= of the "
                                "systemd unit or `ulimit -u`, or lower listen.workers",
                                i + 1, ingest->worker_count, strerror(code));
    }
    return 0;
}

void fr_ingest_update(struct fr_ingest *ingest, const struct fr_ingest_settings *settings,
                      SSL_CTX *context, struct fr_routes *routes)
{
    struct fr_ingest_update update = {.settings = settings, .context = context, .routes = routes};

    fr_presence_set_grace(ingest->presence, settings->presence_grace_ms);
    sem_init(&update.applied, 0, 0);
    for (unsigned i = 0; i < ingest->worker_count; i++) {
        atomic_store(&ingest->workers[i].update, &update);
        fr_inbox_wake_again(&ingest->workers[i].inbox);
    }
    for (unsigned i = 0; i < ingest->worker_count; i++)
        while (sem_wait(&update.applied) != 0)
            ; /* interrupted by a signal */
    sem_destroy(&update.applied);
}

void fr_ingest_expect(struct fr_ingest *ingest, const char *vin)
{
    fr_presence_expect(ingest->presence, vin, fr_monotonic_ms());
}

uint16_t fr_ingest_port(const struct fr_ingest *ingest)
{
    return ingest->port;
}

void fr_ingest_restore_last_seen(struct fr_ingest *ingest, const char *vin, int64_t wall_ms)
{
    fr_presence_restore_last_seen(ingest->presence, vin, wall_ms);
}

struct fr_presence *fr_ingest_presence(struct fr_ingest *ingest)
{
    return ingest->presence;
}

size_t fr_ingest_connections(const struct fr_ingest *ingest)
{
    return atomic_load(&ingest->connections);
}

size_t fr_ingest_half_open(const struct fr_ingest *ingest)
{
    return atomic_load(&ingest->half_open);
}

struct fr_handshakes_waiting fr_ingest_handshakes_waiting(const struct fr_ingest *ingest)
{
    return fr_admission_waiting(ingest);
}

size_t fr_ingest_without_certificate(const struct fr_ingest *ingest)
{
    return atomic_load(&ingest->without_certificate);
}

bool fr_ingest_out_of_descriptors(const struct fr_ingest *ingest)
{
    int64_t seen = atomic_load(&ingest->out_of_descriptors_ms);

    return seen != 0 && fr_monotonic_ms() - seen < 2 * FR_WORKER_TICK_MS + FR_WORKER_PAUSE_MS;
}

void fr_ingest_on_writable(struct fr_ingest *ingest)
{
    for (unsigned i = 0; i < ingest->worker_count; i++)
        fr_inbox_wake(&ingest->workers[i].inbox);
}

uint64_t fr_ingest_unknown_messages(uint8_t type)
{
    return fr_message_unknown(type);
}

void fr_ingest_ack_delays(const struct fr_ingest *ingest, uint64_t counts[FR_ACK_DELAY_CLASSES])
{
    for (unsigned i = 0; i < ingest->worker_count; i++)
        for (unsigned k = 0; k < FR_ACK_DELAY_CLASSES; k++)
            counts[k] +=
                atomic_load_explicit(&ingest->workers[i].delays.count[k], memory_order_relaxed);
}

void fr_ingest_quiesce(struct fr_ingest *ingest)
{
    for (unsigned i = 0; i < ingest->worker_count; i++) {
        atomic_store(&ingest->workers[i].quiesce, true);
        fr_inbox_wake(&ingest->workers[i].inbox);
    }
}

void fr_ingest_stop(struct fr_ingest *ingest)
{
    for (unsigned i = 0; i < ingest->worker_count; i++)
        fr_worker_stop(&ingest->workers[i]);
}

void fr_ingest_free(struct fr_ingest *ingest)
{
    fr_ingest_stop(ingest);
    for (unsigned i = 0; i < ingest->worker_count; i++)
        fr_worker_dispose(&ingest->workers[i]);
    fr_presence_free(ingest->presence);
    fr_source_counts_free(ingest->sources);
    free(ingest->workers);
    free(ingest);
}
