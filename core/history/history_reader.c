#include "history/history_reader.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#include "util/clock.h"
#include "util/counters.h"
#include "util/memory.h"

#define NICE 5 /* of the thread: workers and the journal have precedence */

struct fr_history_call {
    struct fr_history_reader *reader;
    struct fr_history_request request;
    int64_t deadline_ms; /* monotonic */
    void (*done)(void *ctx, const struct fr_buffer *answer, const char *error);
    void *ctx;
    _Atomic bool cancelled;
    struct fr_buffer answer; /* written by the thread, until the call is in `completed` */
    struct fr_error error;
    int status;
    struct fr_history_call *next;
};

/* A list in the order of adding. */
struct call_list {
    struct fr_history_call *first, **end;
};

struct fr_history_reader {
    struct fr_history *history;
    struct event *completed_event;
    int completed_fd; /* eventfd: `completed` is not empty */
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool stop;                       /* under lock */
    struct call_list waiting;        /* under lock */
    struct fr_history_call *current; /* under lock: being answered */
    struct call_list completed;      /* under lock */
    size_t waiting_count;            /* under lock */
};

static void reader_list_init(struct call_list *list)
{
    list->first = NULL;
    list->end = &list->first;
}

static void reader_list_add(struct call_list *list, struct fr_history_call *call)
{
    call->next = NULL;
    *list->end = call;
    list->end = &call->next;
}

static struct fr_history_call *reader_list_take(struct call_list *list)
{
    struct fr_history_call *call = list->first;

    if (call == NULL)
        return NULL;
    list->first = call->next;
    if (list->first == NULL)
        list->end = &list->first;
    return call;
}

static void reader_free_call(struct fr_history_call *call)
{
    fr_buffer_free(&call->answer);
    free(call);
}

/* ---- the thread ------------------------------------------------------------------ */

static void reader_answer(struct fr_history_reader *r, struct fr_history_call *call)
{
    if (atomic_load(&call->cancelled))
        return;
    if (fr_monotonic_ms() >= call->deadline_ms)
        call->status = fr_error_set(&call->error, "the history is busy; repeat the request later");
    else
        call->status = fr_history_query(r->history, &call->request, call->deadline_ms,
                                        &call->cancelled, &call->answer, &call->error);
    if (call->status != 0)
        fr_count(FR_COUNT_HISTORY_REQUESTS_FAILED);
}

static void *reader_run(void *ctx)
{
    struct fr_history_reader *r = ctx;
    uint64_t one = 1;
    ssize_t written;

    setpriority(PRIO_PROCESS, (id_t)gettid(), NICE); /* of this thread alone */
    pthread_mutex_lock(&r->lock);
    for (;;) {
        while (!r->stop && r->waiting.first == NULL)
            pthread_cond_wait(&r->changed, &r->lock);
        if (r->stop)
            break;
        r->current = reader_list_take(&r->waiting);
        r->waiting_count--;
        pthread_mutex_unlock(&r->lock);
        reader_answer(r, r->current);
        pthread_mutex_lock(&r->lock);
        reader_list_add(&r->completed, r->current);
        r->current = NULL;
        written = write(r->completed_fd, &one, sizeof one);
        (void)written; /* fails only if the counter is not 0 */
    }
    pthread_mutex_unlock(&r->lock);
    return NULL;
}

/* ---- the event loop -------------------------------------------------------------- */

static void reader_on_completed(evutil_socket_t fd, short what, void *ctx)
{
    struct fr_history_reader *r = ctx;
    struct fr_history_call *call;
    uint64_t count;
    ssize_t n = read(fd, &count, sizeof count);

    (void)what, (void)n;
    for (;;) {
        pthread_mutex_lock(&r->lock);
        call = reader_list_take(&r->completed);
        pthread_mutex_unlock(&r->lock);
        if (call == NULL)
            return;
        if (!atomic_load(&call->cancelled))
            call->done(call->ctx, call->status == 0 ? &call->answer : NULL, call->error.text);
        reader_free_call(call);
    }
}

struct fr_history_call *
fr_history_ask(struct fr_history_reader *r, const struct fr_history_request *request,
               void (*done)(void *ctx, const struct fr_buffer *answer, const char *error),
               void *ctx, struct fr_error *error)
{
    struct fr_history_call *call = NULL;

    pthread_mutex_lock(&r->lock);
    if (r->waiting_count < FR_HISTORY_WAITING_MAX) {
        call = fr_calloc(1, sizeof *call);
        call->reader = r;
        call->request = *request;
        call->deadline_ms = fr_monotonic_ms() + FR_HISTORY_ANSWER_MS;
        call->done = done;
        call->ctx = ctx;
        reader_list_add(&r->waiting, call);
        r->waiting_count++;
        pthread_cond_signal(&r->changed);
    }
    pthread_mutex_unlock(&r->lock);
    if (call == NULL) {
        fr_count(FR_COUNT_HISTORY_REQUESTS_FAILED);
        fr_error_set(error, "the history is busy: %d requests wait; repeat the request later",
                     FR_HISTORY_WAITING_MAX);
    }
    return call;
}

/* A call that waits is freed here, another one when the loop gets it. */
void fr_history_cancel(struct fr_history_call *call)
{
    struct fr_history_reader *r = call->reader;
    struct fr_history_call **at;

    atomic_store(&call->cancelled, true);
    pthread_mutex_lock(&r->lock);
    for (at = &r->waiting.first; *at != NULL && *at != call; at = &(*at)->next)
        ;
    if (*at == call) {
        *at = call->next;
        if (call->next == NULL)
            r->waiting.end = at;
        r->waiting_count--;
    } else
        call = NULL;
    pthread_mutex_unlock(&r->lock);
    if (call != NULL)
        reader_free_call(call);
}

/* ---- start and stop -------------------------------------------------------------- */

static void reader_free_list(struct call_list *list)
{
    struct fr_history_call *call;

    while ((call = reader_list_take(list)) != NULL)
        reader_free_call(call);
}

static void reader_close(struct fr_history_reader *r)
{
    reader_free_list(&r->waiting);
    reader_free_list(&r->completed);
    if (r->completed_event != NULL)
        event_free(r->completed_event);
    if (r->completed_fd >= 0)
        close(r->completed_fd);
    pthread_cond_destroy(&r->changed);
    pthread_mutex_destroy(&r->lock);
    free(r);
}

struct fr_history_reader *fr_history_reader_new(struct fr_history *history, struct event_base *base,
                                                struct fr_error *error)
{
    struct fr_history_reader *r = fr_calloc(1, sizeof *r);
    int code = ENOMEM;

    r->history = history;
    pthread_mutex_init(&r->lock, NULL);
    pthread_cond_init(&r->changed, NULL);
    reader_list_init(&r->waiting);
    reader_list_init(&r->completed);
    r->completed_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (r->completed_fd >= 0)
        r->completed_event =
            event_new(base, r->completed_fd, EV_READ | EV_PERSIST, reader_on_completed, r);
    if (r->completed_event != NULL && event_add(r->completed_event, NULL) == 0) {
        code = pthread_create(&r->thread, NULL, reader_run, r);
        if (code == 0)
            return r;
    } else if (r->completed_fd < 0)
        code = errno;
    reader_close(r);
    fr_error_set(error, "history: cannot start the thread for requests: %s", strerror(code));
    return NULL;
}

void fr_history_reader_free(struct fr_history_reader *r)
{
    if (r == NULL)
        return;
    pthread_mutex_lock(&r->lock);
    r->stop = true;
    if (r->current != NULL)
        atomic_store(&r->current->cancelled, true);
    pthread_cond_signal(&r->changed);
    pthread_mutex_unlock(&r->lock);
    pthread_join(r->thread, NULL);
    reader_close(r);
}
