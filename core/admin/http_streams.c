#include "admin/http_streams.h"

#include <event2/buffer.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "admin/http_query.h"
#include "admin/http_reply.h"
#include "admin/http_sessions.h"
#include "record/field_catalogue.h"
#include "record/json.h"
#include "util/clock.h"
#include "util/counters.h"
#include "util/memory.h"
#include "util/redact.h"

#define FLUSH_MS 100
#define HEARTBEAT_MS 15000
#define UNREAD_MAX 1024     /* bytes that a client sends behind its request */
#define SOCKET_BUFFER 65536 /* bytes, for the kernel to double */
#define TOPIC_SIZE 64

struct stream {
    struct fr_http_streams *streams;
    struct evhttp_request *request; /* NULL: the stream has ended */
    /* NULL: it is closed. A client that does not read keeps that of an ended stream. */
    struct evhttp_connection *connection;
    unsigned session;
    char vin[FR_VIN_MAX + 1]; /* "": each vehicle */
    char topic[TOPIC_SIZE];   /* "": each type */
    int64_t field;            /* -1: records with any field, and without */
    struct evbuffer *pending;
    unsigned budget;       /* records that may be added until the next flush */
    uint64_t dropped;      /* records since the last event `dropped` */
    uint64_t feed_dropped; /* fr_record_feed_dropped() at the last flush */
    int64_t sent_ms;       /* monotonic: of the last event or comment */
    struct stream *next;
};

struct fr_http_streams {
    struct fr_http_admin *admin; /* set by the first fr_http_streams_open() */
    struct fr_record_feed *feed;
    int listener; /* of the feed */
    struct event *flush_timer;
    struct stream *list;
    size_t count, max;
    struct fr_buffer event; /* of streams_on_record(), kept for its memory */
};

/* ---- records --------------------------------------------------------------------- */

static bool streams_has_field(struct fr_record *record, uint32_t field)
{
    const struct fr_data *data = fr_record_data(record);

    for (size_t i = 0; data != NULL && i < data->count; i++)
        if (data->datum[i].field == field)
            return true;
    return false;
}

static bool streams_wants(const struct stream *s, struct fr_record *record)
{
    char buffer[FR_REDACTED_VIN_SIZE];

    if (s->request == NULL || (s->topic[0] != '\0' && strcmp(s->topic, record->topic) != 0))
        return false;
    if (s->vin[0] != '\0' && strcmp(s->vin, record->vin) != 0 &&
        strcmp(s->vin, fr_display_vin(record->vin, buffer)) != 0)
        return false;
    return s->field < 0 || streams_has_field(record, (uint32_t)s->field);
}

static size_t streams_unsent(const struct stream *s)
{
    struct evhttp_connection *connection = evhttp_request_get_connection(s->request);
    struct bufferevent *io = evhttp_connection_get_bufferevent(connection);

    return evbuffer_get_length(s->pending) + evbuffer_get_length(bufferevent_get_output(io));
}

/* Runs for each record while a stream is open. The JSON is made once for all streams. */
static void streams_on_record(void *ctx, struct fr_record *record)
{
    struct fr_http_streams *streams = ctx;
    struct fr_buffer *event = &streams->event;

    fr_buffer_clear(event);
    for (struct stream *s = streams->list; s != NULL; s = s->next) {
        if (!streams_wants(s, record))
            continue;
        if (s->budget != 0 && event->len == 0) {
            fr_buffer_text(event, "data: ");
            fr_json_record(event, record, NULL, record->resend ? FR_FLAG_RESEND : 0,
                           fr_redacting());
            fr_buffer_text(event, "\n\n");
        }
        if (s->budget == 0 || event->failed ||
            streams_unsent(s) + event->len > FR_HTTP_STREAM_BYTES ||
            evbuffer_add(s->pending, event->bytes, event->len) != 0) {
            s->dropped++;
            fr_count(FR_COUNT_STREAM_DROPPED);
        } else
            s->budget--;
    }
}

/* ---- sending --------------------------------------------------------------------- */

static void streams_add_report(struct stream *s)
{
    uint64_t feed_dropped = fr_record_feed_dropped(s->streams->feed);
    uint64_t dropped = s->dropped + (feed_dropped - s->feed_dropped);

    if (dropped == 0 || streams_unsent(s) > FR_HTTP_STREAM_BYTES)
        return;
    evbuffer_add_printf(s->pending, "event: dropped\ndata: {\"dropped\":%llu}\n\n",
                        (unsigned long long)dropped);
    s->dropped = 0;
    s->feed_dropped = feed_dropped;
}

static void streams_send(struct stream *s, int64_t now_ms)
{
    streams_add_report(s);
    if (evbuffer_get_length(s->pending) == 0 && now_ms - s->sent_ms >= HEARTBEAT_MS)
        evbuffer_add(s->pending, ":\n\n", 3);
    if (evbuffer_get_length(s->pending) == 0)
        return;
    s->sent_ms = now_ms;
    evhttp_send_reply_chunk(s->request, s->pending);
}

/* End the answer; evhttp closes the connection when the client has taken it. Until then it counts as
 * open. */
static void streams_end(struct stream *s)
{
    struct evhttp_request *request = s->request;

    if (request == NULL)
        return;
    s->request = NULL;
    evhttp_send_reply_end(request);
}

/* Free the streams whose connections are closed. */
static void streams_prune(struct fr_http_streams *streams)
{
    struct stream **at = &streams->list, *s;

    while ((s = *at) != NULL) {
        if (s->connection != NULL) {
            at = &s->next;
            continue;
        }
        *at = s->next;
        evbuffer_free(s->pending);
        free(s);
        streams->count--;
    }
    if (streams->list != NULL)
        return;
    fr_record_feed_switch(streams->feed, streams->listener, false);
    event_del(streams->flush_timer);
}

static void streams_on_flush(evutil_socket_t fd, short what, void *ctx)
{
    struct fr_http_streams *streams = ctx;
    int64_t now_ms = fr_monotonic_ms();

    (void)fd, (void)what;
    for (struct stream *s = streams->list; s != NULL; s = s->next) {
        if (s->request != NULL && s->session != 0 &&
            !fr_http_sessions_valid(streams->admin->sessions, s->session, now_ms))
            streams_end(s);
        if (s->request == NULL)
            continue;
        s->budget += FR_HTTP_STREAM_RATE * FLUSH_MS / 1000;
        if (s->budget > FR_HTTP_STREAM_BURST)
            s->budget = FR_HTTP_STREAM_BURST;
        streams_send(s, now_ms);
    }
    streams_prune(streams);
}

/* The connection ends. evhttp has detached the request if it does not free it itself. */
static void streams_on_close(struct evhttp_connection *connection, void *ctx)
{
    struct stream *s = ctx;
    struct evhttp_request *request = s->request;

    (void)connection;
    s->request = NULL;
    s->connection = NULL;
    if (request != NULL && evhttp_request_get_connection(request) == NULL)
        evhttp_request_free(request);
}

/* ---- opening --------------------------------------------------------------------- */

/* Read the filters. Returns NULL, or the mistake. */
static const char *streams_read_filters(struct stream *s, const char *query)
{
    char field[FR_FIELD_NAME_SIZE];

    s->field = -1;
    if (fr_http_query_text(query, "vin", s->vin, sizeof s->vin) == FR_HTTP_MALFORMED)
        return "vin: not a VIN";
    if (fr_http_query_text(query, "type", s->topic, sizeof s->topic) == FR_HTTP_MALFORMED)
        return "type: not a record type; `V` has the fields of a vehicle";
    if (fr_http_query_text(query, "field", field, sizeof field) == FR_HTTP_MALFORMED)
        return "field: not a field; `fleetroute check --fields` lists them";
    if (field[0] != '\0' && (s->field = fr_field_number(field)) < 0)
        return "field: there is no such field; `fleetroute check --fields` lists them";
    return NULL;
}

static void streams_begin(struct fr_http_admin *admin, struct stream *s,
                          struct evhttp_request *request)
{
    struct evhttp_connection *connection = evhttp_request_get_connection(request);
    struct bufferevent *io = evhttp_connection_get_bufferevent(connection);
    struct timeval timeout = {FR_HTTP_WRITE_TIMEOUT_S, 0};
    int size = SOCKET_BUFFER;

    fr_http_reply_headers(admin, request, "text/event-stream; charset=utf-8", "no-store");
    evhttp_add_header(evhttp_request_get_output_headers(request), "Connection", "close");
    /* nginx in front of this server does not collect the answer. */
    evhttp_add_header(evhttp_request_get_output_headers(request), "X-Accel-Buffering", "no");
    evhttp_connection_set_closecb(connection, streams_on_close, s);
    setsockopt(bufferevent_getfd(io), SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    bufferevent_set_timeouts(io, NULL, &timeout);
    bufferevent_setwatermark(io, EV_READ, 0, UNREAD_MAX);
    evhttp_send_reply_start(request, 200, "OK");
    evbuffer_add_printf(s->pending, "retry: 3000\n\n");
    evhttp_send_reply_chunk(request, s->pending);
}

void fr_http_streams_open(struct fr_http_admin *admin, struct evhttp_request *request,
                          const char *query, unsigned session)
{
    struct fr_http_streams *streams = admin->streams;
    struct timeval interval = fr_timeval(FLUSH_MS);
    struct stream *s = fr_calloc(1, sizeof *s);
    const char *mistake = streams_read_filters(s, query);

    streams->admin = admin;
    streams_prune(streams);
    if (mistake != NULL)
        fr_http_reply_refusal(admin, request, 400, mistake);
    else if (streams->count >= streams->max)
        fr_http_reply_refusal(admin, request, 503,
                              "too many streams of records are open; close other pages");
    else if (evhttp_request_get_command(request) == EVHTTP_REQ_HEAD)
        fr_http_reply_text(admin, request, 200, "");
    else if ((s->pending = evbuffer_new()) == NULL)
        fr_http_reply_refusal(admin, request, 503, "out of memory");
    else {
        struct evhttp_connection *connection = evhttp_request_get_connection(request);

        s->streams = streams;
        s->request = request;
        s->connection = connection;
        s->session = session;
        s->budget = FR_HTTP_STREAM_BURST;
        s->feed_dropped = fr_record_feed_dropped(streams->feed);
        s->sent_ms = fr_monotonic_ms();
        s->next = streams->list;
        streams->list = s;
        streams->count++;
        fr_http_clients_release(&admin->clients,
                                bufferevent_getfd(evhttp_connection_get_bufferevent(connection)));
        streams_begin(admin, s, request);
        fr_record_feed_switch(streams->feed, streams->listener, true);
        event_add(streams->flush_timer, &interval);
        return;
    }
    free(s);
}

/* ---- all streams ----------------------------------------------------------------- */

void fr_http_streams_end_session(struct fr_http_streams *streams, unsigned session)
{
    for (struct stream *s = streams->list; s != NULL; s = s->next)
        if (session != 0 && s->session == session)
            streams_end(s);
}

void fr_http_streams_end_all(struct fr_http_streams *streams)
{
    for (struct stream *s = streams->list; s != NULL; s = s->next)
        streams_end(s);
}

size_t fr_http_streams_count(const struct fr_http_streams *streams)
{
    return streams->count;
}

struct fr_http_streams *fr_http_streams_new(struct event_base *base, struct fr_record_feed *feed,
                                            size_t max, struct fr_error *error)
{
    struct fr_http_streams *streams = fr_calloc(1, sizeof *streams);

    streams->feed = feed;
    streams->max = max;
    streams->flush_timer = event_new(base, -1, EV_PERSIST, streams_on_flush, streams);
    if (streams->flush_timer == NULL) {
        fr_error_set(error, "admin: cannot create its events");
        free(streams);
        return NULL;
    }
    streams->listener = fr_record_feed_add(feed, streams_on_record, streams);
    return streams;
}

void fr_http_streams_free(struct fr_http_streams *streams)
{
    if (streams == NULL)
        return;
    for (struct stream *s = streams->list; s != NULL; s = s->next) {
        streams_end(s);
        if (s->connection != NULL) /* evhttp_free() closes it */
            evhttp_connection_set_closecb(s->connection, NULL, NULL);
        s->connection = NULL;
    }
    streams_prune(streams);
    event_free(streams->flush_timer);
    fr_buffer_free(&streams->event);
    free(streams);
}
