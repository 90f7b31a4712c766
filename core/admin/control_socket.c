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
#include "util/counters.h"
#include "util/log.h"
#include "util/memory.h"
#include "util/redact.h"
#include "util/unix_socket.h"

#define CLIENTS_MAX 32
#define LINE_MAX_BYTES 512
#define UNREAD_MAX (4u << 20) /* bytes queued for a tail client; beyond them it loses records */
#define BUSY "the daemon is busy; repeat the command"
#define REPLAY_UNREAD (1u << 20) /* bytes of a replay to read ahead */

struct client {
    struct fr_control *control;
    struct bufferevent *io;
    bool tailing, redact, closing;
    struct fr_replay *replay; /* owned; NULL: the client sends no records */
    char vin[FR_VIN_MAX + 1];
    uint64_t skipped;           /* records since the last report of skipped records */
    uint64_t reported;          /* replayed records of the last report, stored and skipped */
    uint64_t awaited_reload;    /* the number of a reload; 0: none */
    struct fr_control_job *job; /* NULL: none */
    struct client *next;
};

struct fr_control {
    struct event_base *base;
    struct evconnlistener *listener;
    char *path;
    const struct fr_control_commands *commands;
    void *ctx;
    struct client *clients;
    size_t client_count;
    struct fr_jobs *jobs;
    struct fr_record_feed *feed;
    int feed_listener; /* of the feed */
    int wake_fd;       /* eventfd: a replay can continue */
    struct event *wake_event, *resume;
    _Atomic bool wake_pending; /* wake_fd was written and not yet read */
    struct fr_buffer line;     /* of control_write_record(), kept for its memory */
};

static void control_continue_replay(struct client *c);

/* ---- records --------------------------------------------------------------------- */

static void control_wake_up(struct fr_control *control)
{
    uint64_t one = 1;

    if (!atomic_exchange(&control->wake_pending, true) &&
        write(control->wake_fd, &one, sizeof one) < 0)
        fr_log(FR_LOG_ERROR, "control: cannot write to the eventfd: %s", strerror(errno));
}

void fr_control_on_writable(struct fr_control *control)
{
    if (control != NULL)
        control_wake_up(control);
}

/* Records of a replay are on disk. Runs on the journal's thread. */
static void control_on_stored(void *ctx)
{
    control_wake_up(ctx);
}

static void control_update_tap(struct fr_control *control)
{
    bool on = false;

    for (struct client *c = control->clients; c != NULL; c = c->next)
        on = on || c->tailing;
    fr_record_feed_switch(control->feed, control->feed_listener, on);
}

static void control_write_record(struct client *c, struct fr_record *record)
{
    struct fr_buffer *line = &c->control->line;
    struct evbuffer *out = bufferevent_get_output(c->io);

    if (!c->tailing || (c->vin[0] != '\0' && strcmp(c->vin, record->vin) != 0))
        return;
    if (evbuffer_get_length(out) > UNREAD_MAX) {
        c->skipped++;
        fr_count(FR_COUNT_TAIL_DROPPED);
        return;
    }
    fr_buffer_clear(line);
    if (c->skipped != 0)
        fr_buffer_printf(line, "{\"skipped\":%llu}\n", (unsigned long long)c->skipped);
    c->skipped = 0;
    fr_json_record(line, record, NULL, record->resend ? FR_FLAG_RESEND : 0,
                   c->redact || fr_redacting());
    fr_buffer_byte(line, '\n');
    if (!line->failed)
        evbuffer_add(out, line->bytes, line->len);
}

static void control_on_record(void *ctx, struct fr_record *record)
{
    struct fr_control *control = ctx;

    for (struct client *c = control->clients; c != NULL; c = c->next)
        control_write_record(c, record);
}

static void control_on_wakeup(evutil_socket_t fd, short what, void *ctx)
{
    struct fr_control *control = ctx;
    uint64_t count;

    (void)what;
    if (read(fd, &count, sizeof count) < 0 && errno != EAGAIN)
        fr_log(FR_LOG_ERROR, "control: cannot read the eventfd: %s", strerror(errno));
    atomic_store(&control->wake_pending, false);
    for (struct client *c = control->clients; c != NULL; c = c->next)
        if (c->replay != NULL && !c->closing)
            control_continue_replay(c);
}

/* ---- clients --------------------------------------------------------------------- */

static void control_close_client(struct client *c)
{
    struct fr_control *control = c->control;
    struct client **at = &control->clients;

    while (*at != c)
        at = &(*at)->next;
    *at = c->next;
    control->client_count--;
    fr_replay_free(c->replay);
    fr_control_job_abandon(c->job);
    bufferevent_free(c->io);
    free(c);
    control_update_tap(control);
}

static void control_on_event(struct bufferevent *io, short what, void *ctx)
{
    (void)io;
    if (what & (BEV_EVENT_EOF | BEV_EVENT_ERROR))
        control_close_client(ctx);
}

static void control_on_written(struct bufferevent *io, void *ctx)
{
    struct client *c = ctx;

    if (c->closing && evbuffer_get_length(bufferevent_get_output(io)) == 0)
        control_close_client(c);
}

/* Send the last answer; the client is closed once it is written. */
static void control_send_answer(struct client *c, const char *text, size_t len)
{
    c->closing = true;
    bufferevent_write(c->io, text, len);
}

static void control_begin_tail(struct client *c, char *words)
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
    control_update_tap(c->control);
}

static void control_send_error(struct client *c, const char *text)
{
    struct fr_buffer out = {0};

    fr_buffer_text(&out, "{\"error\":");
    fr_json_string(&out, text, strlen(text));
    fr_buffer_text(&out, "}\n");
    control_send_answer(c, fr_buffer_string(&out), out.len);
    fr_buffer_free(&out);
}

/* The commands of this file (control_handle_request()), and those of the table. */
static void control_send_unknown(struct client *c)
{
    struct fr_buffer text = {0};

    fr_buffer_text(&text, "unknown control command; the commands are tail, replay, reload");
    for (const struct fr_control_command *k = c->control->commands->commands; k->word != NULL; k++)
        fr_buffer_printf(&text, ", %s", k->word);
    control_send_error(c, fr_buffer_string(&text));
    fr_buffer_free(&text);
}

static void control_begin_replay(struct client *c)
{
    c->replay = c->control->commands->replay(c->control->ctx, control_on_stored, c->control);
    if (c->replay == NULL)
        control_send_error(c, "replay needs a journal; switch `journal:` on");
    else
        bufferevent_setwatermark(c->io, EV_READ, 0, REPLAY_UNREAD);
}

static void control_on_job_done(void *ctx, struct fr_buffer *answer)
{
    struct client *c = ctx;

    c->job = NULL;
    if (answer != NULL)
        control_send_answer(c, fr_buffer_string(answer), answer->len);
    else
        control_send_error(c, BUSY);
}

static void control_answer(struct client *c, const struct fr_control_command *command,
                           const char *arguments)
{
    struct fr_buffer out = {0};

    if (command->job != NULL) {
        c->job = fr_control_job_start(c->control->jobs, command->job, c->control->ctx, arguments,
                                      control_on_job_done, c);
        if (c->job == NULL)
            control_send_error(c, BUSY);
        return;
    }
    command->handler(c->control->ctx, arguments, &out);
    fr_buffer_byte(&out, '\n');
    control_send_answer(c, fr_buffer_string(&out), out.len);
    fr_buffer_free(&out);
}

static void control_handle_request(struct client *c, char *line)
{
    const struct fr_control *control = c->control;
    char *arguments = strchr(line, ' ');

    if (arguments != NULL)
        *arguments++ = '\0';
    if (strcmp(line, "tail") == 0) {
        control_begin_tail(c, arguments);
        return;
    }
    if (strcmp(line, "replay") == 0) {
        control_begin_replay(c);
        return;
    }
    if (strcmp(line, "reload") == 0) {
        c->awaited_reload = control->commands->reload(control->ctx);
        return;
    }
    for (size_t i = 0; control->commands->commands[i].word != NULL; i++)
        if (strcmp(control->commands->commands[i].word, line) == 0) {
            control_answer(c, &control->commands->commands[i], arguments != NULL ? arguments : "");
            return;
        }
    control_send_unknown(c);
}

void fr_control_answer(struct fr_control *control, uint64_t number, const struct fr_buffer *text)
{
    for (struct client *c = control->clients; c != NULL; c = c->next)
        if (c->awaited_reload == number && !c->closing)
            control_send_answer(c, (const char *)text->bytes, text->len);
}

static void control_continue_replay(struct client *c)
{
    struct evbuffer *in = bufferevent_get_input(c->io);
    struct fr_error error;
    uint64_t done;

    if (fr_replay_take(c->replay, in, &error) != 0) {
        control_send_error(c, error.text);
        return;
    }
    bufferevent_setwatermark(c->io, EV_READ, 0, fr_replay_needs(c->replay) + REPLAY_UNREAD);
    /* A bufferevent calls control_on_readable() repeatedly while its input is at the high
     * watermark. So reading is disabled while the journal is full; control_on_wakeup() continues
     * the replay. */
    if (fr_replay_paused(c->replay))
        bufferevent_disable(c->io, EV_READ);
    else
        bufferevent_enable(c->io, EV_READ);
    done = fr_replay_stored(c->replay) + fr_replay_skipped(c->replay);
    if (done != c->reported) {
        c->reported = done;
        evbuffer_add_printf(bufferevent_get_output(c->io), "{\"stored\":%llu,\"skipped\":%llu}\n",
                            (unsigned long long)(done - fr_replay_skipped(c->replay)),
                            (unsigned long long)fr_replay_skipped(c->replay));
    }
}

static void control_on_readable(struct bufferevent *io, void *ctx)
{
    struct client *c = ctx;
    struct evbuffer *in = bufferevent_get_input(io);
    char *line;

    if (c->replay != NULL && !c->closing) {
        control_continue_replay(c);
        return;
    }
    if (c->tailing || c->closing || c->awaited_reload != 0 || c->job != NULL) {
        evbuffer_drain(in, evbuffer_get_length(in));
        return;
    }
    line = evbuffer_readln(in, NULL, EVBUFFER_EOL_LF);
    if (line != NULL) {
        control_handle_request(c, line);
        if (c->replay != NULL && !c->closing)
            control_continue_replay(c);
    } else if (evbuffer_get_length(in) > LINE_MAX_BYTES)
        control_close_client(c);
    free(line);
}

static void control_on_accept(struct evconnlistener *listener, evutil_socket_t fd,
                              struct sockaddr *address, int len, void *ctx)
{
    struct fr_control *control = ctx;
    struct bufferevent *io;
    struct client *c;

    (void)listener, (void)address, (void)len;
    if (control->client_count == CLIENTS_MAX ||
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
    bufferevent_setcb(io, control_on_readable, control_on_written, control_on_event, c);
    bufferevent_enable(io, EV_READ | EV_WRITE);
}

/* ---- start and end --------------------------------------------------------------- */

/* accept(2) failed. The socket stays readable; without a pause the event loop would spin. */
static void control_on_accept_error(struct evconnlistener *listener, void *ctx)
{
    static struct fr_log_limit limit;
    struct fr_control *control = ctx;
    struct timeval pause = {1, 0};

    fr_log_limited(&limit, FR_LOG_ERROR, "control: cannot accept a connection: %s",
                   strerror(EVUTIL_SOCKET_ERROR()));
    evconnlistener_disable(listener);
    event_add(control->resume, &pause);
}

static void control_resume_listening(evutil_socket_t fd, short what, void *ctx)
{
    struct fr_control *control = ctx;

    (void)fd, (void)what;
    if (control->listener != NULL)
        evconnlistener_enable(control->listener);
}

static int control_listen(struct fr_control *control, struct fr_error *error)
{
    int fd = fr_unix_listen(control->path, "control", error);

    if (fd < 0)
        return -1;
    control->listener = evconnlistener_new(control->base, control_on_accept, control,
                                           LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, -1, fd);
    if (control->listener == NULL) {
        close(fd);
        unlink(control->path);
        return fr_error_set(error, "control: cannot create its events");
    }
    evconnlistener_set_error_cb(control->listener, control_on_accept_error);
    return 0;
}

struct fr_control *fr_control_new(struct event_base *base, const char *path,
                                  const struct fr_control_commands *commands, void *ctx,
                                  struct fr_record_feed *feed, struct fr_jobs *jobs,
                                  struct fr_error *error)
{
    struct fr_control *control = fr_calloc(1, sizeof *control);

    control->base = base;
    control->path = fr_strdup(path);
    control->commands = commands;
    control->ctx = ctx;
    control->feed = feed;
    control->jobs = jobs;
    control->feed_listener = fr_record_feed_add(feed, control_on_record, control);
    control->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    control->wake_event =
        event_new(base, control->wake_fd, EV_READ | EV_PERSIST, control_on_wakeup, control);
    control->resume = event_new(base, -1, 0, control_resume_listening, control);
    if (control->wake_fd < 0 || control->wake_event == NULL || control->resume == NULL ||
        event_add(control->wake_event, NULL) != 0)
        fr_error_set(error, "control: cannot create its events");
    else if (control_listen(control, error) == 0) {
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
        control_close_client(control->clients);
    if (control->listener != NULL) {
        evconnlistener_free(control->listener);
        unlink(control->path);
    }
    if (control->wake_event != NULL)
        event_free(control->wake_event);
    if (control->resume != NULL)
        event_free(control->resume);
    if (control->wake_fd >= 0)
        close(control->wake_fd);
    fr_buffer_free(&control->line);
    free(control->path);
    free(control);
}
