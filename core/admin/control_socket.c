#include "admin/control_socket.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/listener.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "record/json.h"
#include "route/routes.h"
#include "sink/sink_queue.h"
#include "util/counters.h"
#include "util/log.h"
#include "util/memory.h"
#include "util/redact.h"
#include "util/unix_socket.h"

#define CLIENTS_MOST 32
#define LINE_MOST 512
#define UNREAD_MOST (4u << 20) /* bytes a client may leave unread before it misses records */
#define QUEUE_RECORDS 8192
#define QUEUE_BYTES (32u << 20)
#define TAKE_MOST 256
#define REPLAY_UNREAD (1u << 20) /* bytes of a replay that are read ahead */

struct client {
    struct fr_control *control;
    struct bufferevent *io;
    bool tailing, redact, closing;
    struct fr_replay *replay; /* records that come in; NULL: none do */
    char vin[FR_VIN_MAX + 1];
    uint64_t missed, told_stored;
    uint64_t waits_for; /* the number of a reload; 0: none */
    struct client *next;
};

struct fr_control {
    struct event_base *base;
    struct evconnlistener *listener;
    char *path;
    const struct fr_control_orders *orders;
    void *ctx;
    struct client *clients;
    size_t client_count;
    struct fr_sink_queue *queue;
    int wake;
    struct event *wake_event, *resume;
    _Atomic bool woken;
    struct fr_buffer line;
};

static void replay_more(struct client *c);

/* ---- records, from the workers --------------------------------------------------- */

static void wake_up(struct fr_control *control)
{
    uint64_t one = 1;

    if (!atomic_exchange(&control->woken, true) && write(control->wake, &one, sizeof one) < 0)
        fr_log(FR_LOG_ERROR, "the control socket cannot be woken: %s", strerror(errno));
}

void fr_control_room(struct fr_control *control)
{
    if (control != NULL)
        wake_up(control);
}

/* Records of a replay are on disk; on the journal's thread. */
static void stored(void *ctx)
{
    wake_up(ctx);
}

static void tap(void *ctx, struct fr_record *record)
{
    struct fr_control *control = ctx;
    struct fr_sink_entry entry = {fr_record_ref(record), false};

    fr_count_add(FR_COUNT_TAIL_DROPPED, fr_sink_queue_put(control->queue, &entry, 1));
    wake_up(control);
}

static void update_tap(struct fr_control *control)
{
    bool on = false;

    for (struct client *c = control->clients; c != NULL; c = c->next)
        on = on || c->tailing;
    fr_tap_on(on);
}

static void show(struct client *c, struct fr_record *record)
{
    struct fr_buffer *line = &c->control->line;
    struct evbuffer *out = bufferevent_get_output(c->io);

    if (!c->tailing || (c->vin[0] != '\0' && strcmp(c->vin, record->vin) != 0))
        return;
    if (evbuffer_get_length(out) > UNREAD_MOST) {
        c->missed++;
        fr_count(FR_COUNT_TAIL_DROPPED);
        return;
    }
    fr_buffer_clear(line);
    if (c->missed != 0)
        fr_buffer_printf(line, "{\"missed\":%llu}\n", (unsigned long long)c->missed);
    c->missed = 0;
    fr_json_record(line, record, NULL, record->resend ? FR_MARK_RESEND : 0,
                   c->redact || fr_redacting());
    fr_buffer_byte(line, '\n');
    if (!line->failed)
        evbuffer_add(out, line->bytes, line->len);
}

static void woken(evutil_socket_t fd, short what, void *ctx)
{
    struct fr_control *control = ctx;
    struct fr_sink_entry entries[TAKE_MOST];
    uint64_t count;
    size_t n;

    (void)what;
    if (read(fd, &count, sizeof count) < 0 && errno != EAGAIN)
        fr_log(FR_LOG_ERROR, "the control socket's eventfd: %s", strerror(errno));
    atomic_store(&control->woken, false);
    while ((n = fr_sink_queue_take(control->queue, entries, TAKE_MOST, SIZE_MAX)) != 0)
        for (size_t i = 0; i < n; i++) {
            for (struct client *c = control->clients; c != NULL; c = c->next)
                show(c, entries[i].record);
            fr_sink_queue_finish(control->queue, 1, fr_sink_queue_size(entries[i].record));
            fr_record_unref(entries[i].record);
        }
    for (struct client *c = control->clients; c != NULL; c = c->next)
        if (c->replay != NULL && !c->closing)
            replay_more(c);
}

/* ---- clients --------------------------------------------------------------------- */

static void drop(struct client *c)
{
    struct fr_control *control = c->control;
    struct client **at = &control->clients;

    while (*at != c)
        at = &(*at)->next;
    *at = c->next;
    control->client_count--;
    fr_replay_free(c->replay);
    bufferevent_free(c->io);
    free(c);
    update_tap(control);
}

static void ended(struct bufferevent *io, short what, void *ctx)
{
    (void)io;
    if (what & (BEV_EVENT_EOF | BEV_EVENT_ERROR))
        drop(ctx);
}

static void written(struct bufferevent *io, void *ctx)
{
    struct client *c = ctx;

    if (c->closing && evbuffer_get_length(bufferevent_get_output(io)) == 0)
        drop(c);
}

static void answer(struct client *c, const char *text, size_t len)
{
    c->closing = true;
    bufferevent_write(c->io, text, len);
}

static void begin_tail(struct client *c, char *words)
{
    char *save = NULL;

    for (char *word = words != NULL ? strtok_r(words, " ", &save) : NULL; word != NULL;
         word = strtok_r(NULL, " ", &save)) {
        if (strcmp(word, "redact") == 0)
            c->redact = true;
        else if (strncmp(word, "vin=", 4) == 0)
            snprintf(c->vin, sizeof c->vin, "%s", word + 4);
    }
    if (c->redact && !fr_redacting())
        fr_redact_ready();
    c->tailing = true;
    update_tap(c->control);
}

static void refuse(struct client *c, const char *text)
{
    struct fr_buffer out = {0};

    fr_buffer_text(&out, "{\"error\":");
    fr_json_string(&out, text, strlen(text));
    fr_buffer_text(&out, "}\n");
    answer(c, fr_buffer_string(&out), out.len);
    fr_buffer_free(&out);
}

static void begin_replay(struct client *c)
{
    c->replay = c->control->orders->replay(c->control->ctx, stored, c->control);
    if (c->replay == NULL)
        refuse(c, "replay needs the journal");
    else
        bufferevent_setwatermark(c->io, EV_READ, 0, REPLAY_UNREAD);
}

/* A request is a word, and a rest that some of them need. */
static void obey(struct client *c, char *line)
{
    const struct fr_control *control = c->control;
    char *rest = strchr(line, ' ');
    struct fr_buffer out = {0};

    if (rest != NULL)
        *rest++ = '\0';
    if (strcmp(line, "tail") == 0) {
        begin_tail(c, rest);
        return;
    }
    if (strcmp(line, "replay") == 0) {
        begin_replay(c);
        return;
    }
    if (strcmp(line, "reload") == 0) {
        c->waits_for = control->orders->reload(control->ctx);
        return;
    }
    for (size_t i = 0; control->orders->orders[i].word != NULL; i++)
        if (strcmp(control->orders->orders[i].word, line) == 0) {
            control->orders->orders[i].obey(control->ctx, rest != NULL ? rest : "", &out);
            fr_buffer_byte(&out, '\n');
            answer(c, fr_buffer_string(&out), out.len);
            fr_buffer_free(&out);
            return;
        }
    refuse(c, "unknown request");
}

void fr_control_answer(struct fr_control *control, uint64_t number, const struct fr_buffer *text)
{
    for (struct client *c = control->clients; c != NULL; c = c->next)
        if (c->waits_for == number && !c->closing)
            answer(c, (const char *)text->bytes, text->len);
}

static void replay_more(struct client *c)
{
    struct evbuffer *in = bufferevent_get_input(c->io);
    struct fr_error error;
    uint64_t told;

    if (fr_replay_take(c->replay, in, &error) != 0) {
        refuse(c, error.text);
        return;
    }
    bufferevent_setwatermark(c->io, EV_READ, 0, fr_replay_needs(c->replay) + REPLAY_UNREAD);
    /* A bufferevent calls received() again and again while it holds as much as it may read. While
     * the journal is full, woken() goes on instead. */
    if (fr_replay_paused(c->replay))
        bufferevent_disable(c->io, EV_READ);
    else
        bufferevent_enable(c->io, EV_READ);
    told = fr_replay_stored(c->replay) + fr_replay_left_out(c->replay);
    if (told != c->told_stored) {
        c->told_stored = told;
        evbuffer_add_printf(bufferevent_get_output(c->io), "{\"stored\":%llu,\"left_out\":%llu}\n",
                            (unsigned long long)(told - fr_replay_left_out(c->replay)),
                            (unsigned long long)fr_replay_left_out(c->replay));
    }
}

static void received(struct bufferevent *io, void *ctx)
{
    struct client *c = ctx;
    struct evbuffer *in = bufferevent_get_input(io);
    char *line;

    if (c->replay != NULL && !c->closing) {
        replay_more(c);
        return;
    }
    if (c->tailing || c->closing || c->waits_for != 0) {
        evbuffer_drain(in, evbuffer_get_length(in));
        return;
    }
    line = evbuffer_readln(in, NULL, EVBUFFER_EOL_LF);
    if (line != NULL) {
        obey(c, line);
        if (c->replay != NULL && !c->closing)
            replay_more(c);
    } else if (evbuffer_get_length(in) > LINE_MOST)
        drop(c);
    free(line);
}

static void accepted(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *address,
                     int len, void *ctx)
{
    struct fr_control *control = ctx;
    struct bufferevent *io;
    struct client *c;

    (void)listener, (void)address, (void)len;
    if (control->client_count == CLIENTS_MOST ||
        (io = bufferevent_socket_new(control->base, fd, BEV_OPT_CLOSE_ON_FREE)) == NULL) {
        close(fd);
        return;
    }
    c = fr_calloc(1, sizeof *c);
    c->control = control;
    c->io = io;
    c->next = control->clients;
    control->clients = c;
    control->client_count++;
    bufferevent_setcb(io, received, written, ended, c);
    bufferevent_enable(io, EV_READ | EV_WRITE);
}

/* ---- life ------------------------------------------------------------------------ */

/* accept(2) failed. The socket stays readable, so without a pause the loop would spin. */
static void accept_failed(struct evconnlistener *listener, void *ctx)
{
    static struct fr_log_limit limit;
    struct fr_control *control = ctx;
    struct timeval pause = {1, 0};

    fr_log_limited(&limit, FR_LOG_ERROR, "control: cannot accept a connection: %s",
                   strerror(EVUTIL_SOCKET_ERROR()));
    evconnlistener_disable(listener);
    event_add(control->resume, &pause);
}

static void resume_listening(evutil_socket_t fd, short what, void *ctx)
{
    struct fr_control *control = ctx;

    (void)fd, (void)what;
    if (control->listener != NULL)
        evconnlistener_enable(control->listener);
}

static int start_listening(struct fr_control *control, struct fr_error *error)
{
    int fd = fr_unix_listen(control->path, "control", error);

    if (fd < 0)
        return -1;
    control->listener = evconnlistener_new(control->base, accepted, control,
                                           LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, -1, fd);
    if (control->listener == NULL) {
        close(fd);
        unlink(control->path);
        return fr_error_set(error, "control: cannot set up its events");
    }
    evconnlistener_set_error_cb(control->listener, accept_failed);
    return 0;
}

struct fr_control *fr_control_new(struct event_base *base, const char *path,
                                  const struct fr_control_orders *orders, void *ctx,
                                  struct fr_error *error)
{
    struct fr_control *control = fr_calloc(1, sizeof *control);

    control->base = base;
    control->path = fr_strdup(path);
    control->orders = orders;
    control->ctx = ctx;
    control->queue = fr_sink_queue_new(QUEUE_RECORDS, QUEUE_BYTES);
    control->wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    control->wake_event = event_new(base, control->wake, EV_READ | EV_PERSIST, woken, control);
    control->resume = event_new(base, -1, 0, resume_listening, control);
    if (control->wake < 0 || control->wake_event == NULL || control->resume == NULL ||
        event_add(control->wake_event, NULL) != 0)
        fr_error_set(error, "control: cannot set up its events");
    else if (start_listening(control, error) == 0) {
        fr_tap_set(tap, control);
        return control;
    }
    fr_control_free(control);
    return NULL;
}

void fr_control_free(struct fr_control *control)
{
    if (control == NULL)
        return;
    while (control->clients != NULL)
        drop(control->clients);
    if (control->listener != NULL) {
        evconnlistener_free(control->listener);
        unlink(control->path);
    }
    if (control->wake_event != NULL)
        event_free(control->wake_event);
    if (control->resume != NULL)
        event_free(control->resume);
    if (control->wake >= 0)
        close(control->wake);
    fr_sink_queue_free(control->queue);
    fr_buffer_free(&control->line);
    free(control->path);
    free(control);
}
