#include "source/source.h"

#include <errno.h>
#include <event2/event.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "plugin/host.h"
#include "source/source_presence.h"
#include "source/submit.h"
#include "util/clock.h"
#include "util/event_base.h"
#include "util/log.h"
#include "util/memory.h"

#define STOP_MS 2000      /* max wait at the stop until the submitted records are on disk */
#define STOP_STEP_US 2000 /* between two looks during that wait */

struct fr_source {
    struct fr_server_config *config; /* one reference */
    struct fr_source_config settings;
    const struct fr_source_plugin *plugin;
    struct fr_plugin_instance instance; /* name, options and log lines */
    struct fr_submit *submit;
    struct fr_source_presence *presence;
    void *state; /* of the plugin; NULL: not open */

    pthread_t thread;
    bool running;
    struct event_base *base;
    int wake; /* eventfd; -1: none */
    struct event *wake_event, *flush_event;
    bool flush_pending;
    _Atomic bool stop, on_writable; /* requests to the thread */
    _Atomic size_t newly_stored;    /* records on disk, not yet reported to the plugin */
    sem_t opened;                   /* posted when open() of the plugin has returned */

    pthread_mutex_t status_lock; /* protects health and why */
    enum fr_health health;
    char why[256];
    _Atomic uint64_t submitted, stored, skipped;
};

/* ---- calls of other threads ------------------------------------------------------ */

static void source_wake_up(struct fr_source *source)
{
    uint64_t one = 1;

    if (write(source->wake, &one, sizeof one) < 0)
        fr_log(FR_LOG_ERROR, "source %s: cannot write to its eventfd: %s", source->settings.name,
               strerror(errno));
}

static void source_stored(void *ctx, size_t count)
{
    struct fr_source *source = ctx;

    atomic_fetch_add(&source->newly_stored, count);
    source_wake_up(source);
}

void fr_source_on_writable(struct fr_source *source)
{
    if (!source->running)
        return;
    atomic_store(&source->on_writable, true);
    source_wake_up(source);
}

void fr_source_set_routing(struct fr_source *source, struct fr_routing *routing)
{
    if (source->submit == NULL) /* it does not run */
        return;
    fr_submit_set_routing(source->submit, routing);
    fr_source_presence_set_routing(source->presence, routing);
}

/* ---- functions that the plugin calls --------------------------------------------- */

static void source_host_log(struct fr_source *source, enum fr_level level, const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    fr_host_log(&source->instance, level, format, ap);
    va_end(ap);
}

static void source_host_health(struct fr_source *source, enum fr_health health, const char *format,
                               ...)
{
    enum fr_health before;
    va_list ap;

    pthread_mutex_lock(&source->status_lock);
    before = source->health;
    source->health = health;
    va_start(ap, format);
    vsnprintf(source->why, sizeof source->why, format, ap);
    va_end(ap);
    pthread_mutex_unlock(&source->status_lock);
    if (before != health)
        fr_host_log_health(&source->instance, health, source->state == NULL, source->why);
}

static struct event_base *source_host_event_base(struct fr_source *source)
{
    return source->base;
}

static const char *source_host_name(struct fr_source *source)
{
    return source->settings.name;
}

static const char *source_host_text(struct fr_source *source, const char *option)
{
    return fr_options_text(source->instance.options, option);
}

static int64_t source_host_number(struct fr_source *source, const char *option)
{
    return fr_options_number(source->instance.options, option);
}

static int source_host_each(struct fr_source *source, const char *option,
                            int (*each)(const char *key, const char *text, void *context),
                            void *context)
{
    return fr_options_each(source->instance.options, option, each, context);
}

static void source_host_config_error(struct fr_source *source, const char *option, const char *key,
                                     const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    fr_host_config_error(&source->instance, option, key, format, ap);
    va_end(ap);
}

static enum fr_submitted source_host_submit(struct fr_source *source,
                                            const struct fr_submission *submission)
{
    static struct fr_log_limit limit;
    struct fr_error error;
    struct fr_submission known = {0}; /* without members that are newer than this program */
    enum fr_submitted outcome;

    memcpy(&known, submission, submission->size < sizeof known ? submission->size : sizeof known);
    outcome = fr_source_presence_submit(source->presence, source->submit, &known, &error);

    if (outcome == FR_SUBMITTED) {
        atomic_fetch_add_explicit(&source->submitted, 1, memory_order_relaxed);
        if (!source->flush_pending) {
            source->flush_pending = true;
            event_active(source->flush_event, EV_TIMEOUT, 1);
        }
    } else if (outcome == FR_SUBMIT_REJECTED && error.text[0] != '\0') {
        atomic_fetch_add_explicit(&source->skipped, 1, memory_order_relaxed);
        fr_log_limited(&limit, FR_LOG_WARNING, "source %s: skipped a record: %s",
                       source->settings.name, error.text);
    }
    return outcome;
}

static void source_host_up_to_date(struct fr_source *source)
{
    fr_source_presence_up_to_date(source->presence, fr_monotonic_ms());
}

static void source_host_part_ended(struct fr_source *source, uint32_t part)
{
    fr_source_presence_drop_part(source->presence, part);
}

static const struct fr_source_host host = {
    .size = sizeof(struct fr_source_host),
    .log = source_host_log,
    .health = source_host_health,
    .event_base = source_host_event_base,
    .name = source_host_name,
    .text = source_host_text,
    .number = source_host_number,
    .each = source_host_each,
    .config_error = source_host_config_error,
    .submit = source_host_submit,
    .up_to_date = source_host_up_to_date,
    .part_ended = source_host_part_ended,
};

/* ---- the thread ------------------------------------------------------------------ */

static void source_flush(evutil_socket_t fd, short what, void *ctx)
{
    struct fr_source *source = ctx;

    (void)fd, (void)what;
    source->flush_pending = false;
    fr_submit_flush(source->submit);
}

static void source_report_stored(struct fr_source *source)
{
    size_t count = atomic_exchange(&source->newly_stored, 0);

    if (count == 0)
        return;
    atomic_fetch_add(&source->stored, count);
    source->plugin->stored(source->state, count);
}

static void source_on_wake(evutil_socket_t fd, short what, void *ctx)
{
    struct fr_source *source = ctx;
    uint64_t count;

    (void)what;
    if (read(fd, &count, sizeof count) < 0 && errno != EAGAIN)
        fr_log(FR_LOG_ERROR, "source %s: cannot read its eventfd: %s", source->settings.name,
               strerror(errno));
    source_report_stored(source);
    if (atomic_exchange(&source->on_writable, false) && source->plugin->on_writable != NULL)
        source->plugin->on_writable(source->state);
    if (atomic_load(&source->stop))
        event_base_loopbreak(source->base);
}

/* Report the stored records before the plugin closes: it submits a record again after a restart if
 * that was not reported as stored. */
static void source_wait_for_stored(struct fr_source *source)
{
    int64_t deadline = fr_monotonic_ms() + STOP_MS;

    fr_submit_flush(source->submit);
    while (fr_monotonic_ms() < deadline &&
           atomic_load(&source->stored) + atomic_load(&source->newly_stored) <
               atomic_load(&source->submitted))
        usleep(STOP_STEP_US);
    source_report_stored(source);
}

static void *source_run(void *ctx)
{
    struct fr_source *source = ctx;

    source->state = source->plugin->open(source, &host);
    sem_post(&source->opened);
    if (source->state == NULL)
        return NULL;
    event_base_loop(source->base, EVLOOP_NO_EXIT_ON_EMPTY);
    source_wait_for_stored(source);
    source->plugin->close(source->state);
    return NULL;
}

/* ---- start and stop -------------------------------------------------------------- */

struct fr_source *fr_source_new(struct fr_server_config *config, size_t index,
                                const struct fr_source_plugin *plugin, struct fr_options *options)
{
    struct fr_source *source = fr_calloc(1, sizeof *source);

    source->config = fr_server_config_ref(config);
    source->settings = config->sources[index];
    source->plugin = plugin;
    source->instance = (struct fr_plugin_instance){
        .kind = "source", .name = source->settings.name, .options = options};
    source->wake = -1;
    sem_init(&source->opened, 0, 0);
    pthread_mutex_init(&source->status_lock, NULL);
    snprintf(source->why, sizeof source->why, "healthy");
    return source;
}

void fr_source_check(struct fr_source *source, struct fr_diagnostics *diagnostics)
{
    if (source->plugin->check == NULL)
        return;
    source->instance.diagnostics = diagnostics;
    source->plugin->check(source, &host);
    source->instance.diagnostics = NULL;
}

bool fr_source_same(const struct fr_source *source, const struct fr_source *other)
{
    return source->plugin == other->plugin &&
           fr_yaml_equal(source->settings.node, other->settings.node);
}

/* Free what source_begin() made, also after a failure, so that the source can be started again. */
static void source_release(struct fr_source *source)
{
    fr_source_presence_free(source->presence);
    fr_submit_free(source->submit);
    if (source->wake_event != NULL)
        event_free(source->wake_event);
    if (source->flush_event != NULL)
        event_free(source->flush_event);
    if (source->base != NULL)
        event_base_free(source->base);
    if (source->wake >= 0)
        close(source->wake);
    source->submit = NULL;
    source->presence = NULL;
    source->wake_event = source->flush_event = NULL;
    source->base = NULL;
    source->wake = -1;
}

static int source_begin(struct fr_source *source, struct fr_journal *journal,
                        struct fr_routing *routing, struct fr_error *error)
{
    const char *name = source->settings.name;
    int code;

    source->submit = fr_submit_new(journal, routing, false, source_stored, source);
    source->presence =
        fr_source_presence_new(name, journal, routing, source->settings.presence_hold_ms,
                               source->settings.presence_from_connectivity);
    source->wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    source->base = fr_event_base_new();
    if (source->wake < 0 || source->base == NULL)
        return fr_error_set(error, "source %s: cannot make an event base: %s", name,
                            strerror(errno));
    source->wake_event =
        event_new(source->base, source->wake, EV_READ | EV_PERSIST, source_on_wake, source);
    source->flush_event = event_new(source->base, -1, 0, source_flush, source);
    if (source->wake_event == NULL || source->flush_event == NULL ||
        event_add(source->wake_event, NULL) != 0)
        return fr_error_set(error, "source %s: cannot set up its events", name);
    code = pthread_create(&source->thread, NULL, source_run, source);
    if (code != 0)
        return fr_error_set(error, "source %s: cannot start its thread: %s", name, strerror(code));
    while (sem_wait(&source->opened) != 0)
        ; /* interrupted by a signal */
    if (source->state == NULL) {
        pthread_join(source->thread, NULL);
        return fr_error_set(error, "source %s: plugin %s cannot open; the log has the reason", name,
                            source->plugin->name);
    }
    source->running = true;
    return 0;
}

int fr_source_start(struct fr_source *source, struct fr_journal *journal,
                    struct fr_routing *routing, struct fr_error *error)
{
    if (source_begin(source, journal, routing, error) == 0)
        return 0;
    source_release(source);
    return -1;
}

void fr_source_stop(struct fr_source *source)
{
    if (!source->running)
        return;
    atomic_store(&source->stop, true);
    source_wake_up(source);
    pthread_join(source->thread, NULL);
    source->running = false;
}

void fr_source_free(struct fr_source *source)
{
    if (source == NULL)
        return;
    source_release(source);
    fr_options_free(source->instance.options);
    sem_destroy(&source->opened);
    pthread_mutex_destroy(&source->status_lock);
    fr_server_config_unref(source->config);
    free(source);
}

bool fr_source_runs(const struct fr_source *source)
{
    return source->running;
}

const char *fr_source_name(const struct fr_source *source)
{
    return source->settings.name;
}

void fr_source_status(struct fr_source *source, struct fr_source_status *status)
{
    memset(status, 0, sizeof *status);
    status->name = source->settings.name;
    status->plugin = source->plugin->name;
    pthread_mutex_lock(&source->status_lock);
    status->health = source->health;
    memcpy(status->why, source->why, sizeof status->why);
    pthread_mutex_unlock(&source->status_lock);
    status->submitted = atomic_load(&source->submitted);
    status->stored = atomic_load(&source->stored);
    status->skipped = atomic_load(&source->skipped);
}
