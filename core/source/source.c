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

#include "source/intake.h"
#include "util/clock.h"
#include "util/event_base.h"
#include "util/log.h"
#include "util/memory.h"

#define STOP_MS 2000 /* how long what was submitted may take to be stored at the end */
#define STOP_STEP_US 2000

struct fr_source {
    struct fr_server_config *config; /* counted */
    struct fr_source_config settings;
    const struct fr_source_plugin *plugin;
    struct fr_options *options;
    struct fr_diagnostics *diagnostics; /* while options are being checked */
    struct fr_intake *intake;
    void *state;

    pthread_t thread;
    bool running;
    struct event_base *base;
    int wake;
    struct event *wake_event, *flush_event;
    bool flush_pending;
    _Atomic bool stop, room;
    _Atomic size_t newly_stored;
    sem_t opened;

    pthread_mutex_t status_lock; /* of health and why */
    enum fr_health health;
    char why[256];
    _Atomic uint64_t submitted, stored, left_out;
};

/* ---- from other threads ---------------------------------------------------------- */

static void wake_up(struct fr_source *source)
{
    uint64_t one = 1;

    if (write(source->wake, &one, sizeof one) < 0)
        fr_log(FR_LOG_ERROR, "source %s cannot be woken: %s", source->settings.name,
               strerror(errno));
}

static void stored(void *ctx, size_t count)
{
    struct fr_source *source = ctx;

    atomic_fetch_add(&source->newly_stored, count);
    wake_up(source);
}

void fr_source_room(struct fr_source *source)
{
    if (!source->running)
        return;
    atomic_store(&source->room, true);
    wake_up(source);
}

void fr_source_set_routing(struct fr_source *source, struct fr_routing *routing)
{
    if (source->intake != NULL) /* else it does not run */
        fr_intake_set_routing(source->intake, routing);
}

/* ---- what the plugin may call ---------------------------------------------------- */

static void host_log(struct fr_source *source, enum fr_level level, const char *format, ...)
{
    char prefix[96];
    va_list ap;

    snprintf(prefix, sizeof prefix, "source %s: ", source->settings.name);
    va_start(ap, format);
    fr_vlog(level, prefix, format, ap);
    va_end(ap);
}

static void host_health(struct fr_source *source, enum fr_health health, const char *format, ...)
{
    static const char *const words[] = {"up", "degraded", "down"};
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
        fr_log(health == FR_HEALTH_UP ? FR_LOG_NOTICE : FR_LOG_WARNING, "source %s is %s: %s",
               source->settings.name, words[health], source->why);
}

static struct event_base *host_event_base(struct fr_source *source)
{
    return source->base;
}

static const char *host_name(struct fr_source *source)
{
    return source->settings.name;
}

static const char *host_text(struct fr_source *source, const char *option)
{
    return fr_options_text(source->options, option);
}

static int64_t host_number(struct fr_source *source, const char *option)
{
    return fr_options_number(source->options, option);
}

static int host_each(struct fr_source *source, const char *option,
                     int (*each)(const char *key, const char *text, void *context), void *context)
{
    return fr_options_each(source->options, option, each, context);
}

static void host_wrong(struct fr_source *source, const char *option, const char *key,
                       const char *format, ...)
{
    char prefix[96];
    va_list ap;

    va_start(ap, format);
    if (source->diagnostics != NULL)
        fr_options_wrong(source->options, option, key, source->diagnostics, format, ap);
    else {
        snprintf(prefix, sizeof prefix, "source %s: option %s: ", source->settings.name, option);
        fr_vlog(FR_LOG_ERROR, prefix, format, ap);
    }
    va_end(ap);
}

static enum fr_submitted host_submit(struct fr_source *source,
                                     const struct fr_submission *submission)
{
    static struct fr_log_limit limit;
    struct fr_error error;
    enum fr_submitted outcome = fr_intake_submit(source->intake, submission, &error);

    if (outcome == FR_SUBMITTED) {
        atomic_fetch_add_explicit(&source->submitted, 1, memory_order_relaxed);
        if (!source->flush_pending) {
            source->flush_pending = true;
            event_active(source->flush_event, EV_TIMEOUT, 1);
        }
    } else if (outcome == FR_SUBMIT_LEFT) {
        atomic_fetch_add_explicit(&source->left_out, 1, memory_order_relaxed);
        fr_log_limited(&limit, FR_LOG_WARNING, "source %s: a record is left out: %s",
                       source->settings.name, error.text);
    }
    return outcome;
}

static const struct fr_source_host host = {
    .log = host_log,
    .health = host_health,
    .event_base = host_event_base,
    .name = host_name,
    .text = host_text,
    .number = host_number,
    .each = host_each,
    .wrong = host_wrong,
    .submit = host_submit,
};

/* ---- the thread ------------------------------------------------------------------ */

static void flush(evutil_socket_t fd, short what, void *ctx)
{
    struct fr_source *source = ctx;

    (void)fd, (void)what;
    source->flush_pending = false;
    fr_intake_flush(source->intake);
}

static void tell_stored(struct fr_source *source)
{
    size_t count = atomic_exchange(&source->newly_stored, 0);

    if (count == 0)
        return;
    atomic_fetch_add(&source->stored, count);
    source->plugin->stored(source->state, count);
}

static void woken(evutil_socket_t fd, short what, void *ctx)
{
    struct fr_source *source = ctx;
    uint64_t count;

    (void)what;
    if (read(fd, &count, sizeof count) < 0 && errno != EAGAIN)
        fr_log(FR_LOG_ERROR, "source %s: its eventfd: %s", source->settings.name, strerror(errno));
    tell_stored(source);
    if (atomic_exchange(&source->room, false) && source->plugin->room != NULL)
        source->plugin->room(source->state);
    if (atomic_load(&source->stop))
        event_base_loopbreak(source->base);
}

/* What is under way should be known as stored when the plugin closes: it will not come again. */
static void wait_for_stored(struct fr_source *source)
{
    int64_t until = fr_monotonic_ms() + STOP_MS;

    fr_intake_flush(source->intake);
    while (fr_monotonic_ms() < until &&
           atomic_load(&source->stored) + atomic_load(&source->newly_stored) <
               atomic_load(&source->submitted))
        usleep(STOP_STEP_US);
    tell_stored(source);
}

static void *run(void *ctx)
{
    struct fr_source *source = ctx;

    source->state = source->plugin->open(source, &host);
    sem_post(&source->opened);
    if (source->state == NULL)
        return NULL;
    event_base_loop(source->base, EVLOOP_NO_EXIT_ON_EMPTY);
    wait_for_stored(source);
    source->plugin->close(source->state);
    return NULL;
}

/* ---- life ------------------------------------------------------------------------ */

struct fr_source *fr_source_new(struct fr_server_config *config, size_t place,
                                const struct fr_source_plugin *plugin, struct fr_options *options)
{
    struct fr_source *source = fr_calloc(1, sizeof *source);

    source->config = fr_server_config_ref(config);
    source->settings = config->sources[place];
    source->plugin = plugin;
    source->options = options;
    source->wake = -1;
    sem_init(&source->opened, 0, 0);
    pthread_mutex_init(&source->status_lock, NULL);
    snprintf(source->why, sizeof source->why, "nothing to complain of");
    return source;
}

void fr_source_check(struct fr_source *source, struct fr_diagnostics *diagnostics)
{
    if (source->plugin->check == NULL)
        return;
    source->diagnostics = diagnostics;
    source->plugin->check(source, &host);
    source->diagnostics = NULL;
}

bool fr_source_same(const struct fr_source *source, const struct fr_source *other)
{
    return source->plugin == other->plugin &&
           fr_yaml_equal(source->settings.node, other->settings.node);
}

/* What source_begin made. A source that did not start can be started again. */
static void source_release(struct fr_source *source)
{
    fr_intake_free(source->intake);
    if (source->wake_event != NULL)
        event_free(source->wake_event);
    if (source->flush_event != NULL)
        event_free(source->flush_event);
    if (source->base != NULL)
        event_base_free(source->base);
    if (source->wake >= 0)
        close(source->wake);
    source->intake = NULL;
    source->wake_event = source->flush_event = NULL;
    source->base = NULL;
    source->wake = -1;
}

static int source_begin(struct fr_source *source, struct fr_journal *journal,
                        struct fr_routing *routing, struct fr_error *error)
{
    const char *name = source->settings.name;
    int code;

    source->intake = fr_intake_new(journal, routing, false, stored, source);
    source->wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    source->base = fr_event_base_new();
    if (source->wake < 0 || source->base == NULL)
        return fr_error_set(error, "source %s: cannot make an event base: %s", name,
                            strerror(errno));
    source->wake_event = event_new(source->base, source->wake, EV_READ | EV_PERSIST, woken, source);
    source->flush_event = event_new(source->base, -1, 0, flush, source);
    if (source->wake_event == NULL || source->flush_event == NULL ||
        event_add(source->wake_event, NULL) != 0)
        return fr_error_set(error, "source %s: cannot set up its events", name);
    code = pthread_create(&source->thread, NULL, run, source);
    if (code != 0)
        return fr_error_set(error, "source %s: cannot start its thread: %s", name, strerror(code));
    while (sem_wait(&source->opened) != 0)
        ; /* a signal came */
    if (source->state == NULL) {
        pthread_join(source->thread, NULL);
        return fr_error_set(error, "source %s: plugin %s could not begin; the log says why", name,
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
    wake_up(source);
    pthread_join(source->thread, NULL);
    source->running = false;
}

void fr_source_free(struct fr_source *source)
{
    if (source == NULL)
        return;
    source_release(source);
    fr_options_free(source->options);
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
    status->left_out = atomic_load(&source->left_out);
}
