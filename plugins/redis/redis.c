/*
 * The sink plugin redis.so: publishes records and values to the channels of a Redis server, as
 * Tesla's server does, or appends them to streams. This file connects the parts; everything runs on
 * the sink's thread.
 *
 * A delivery is answered FR_DONE when the server has answered its request. While the server refuses
 * requests for a reason that is not the delivery's, one request is sent at a time.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "fleetroute/plugin.h"
#include "path_pattern.h"
#include "redis/connection.h"
#include "redis/redis_command.h"
#include "redis/redis_errors.h"
#include "redis/requests.h"

#define NAME_SIZE 512 /* bytes of a channel or stream, with NUL */
#define TIMEOUT_MIN_MS 100
#define TIMEOUT_MAX_MS 60000
#define DATABASE_MAX 1000000

enum mode { MODE_PUBLISH, MODE_STREAM };

struct redis_sink {
    struct fr_sink *handle; /* for calls of `host` */
    const struct fr_host *host;
    enum mode mode;
    const char *pattern;
    int64_t max_length;
    struct connection *connection;
    struct requests waiting;      /* for capacity of the connection */
    bool troubled;                /* the server refused the last request, through no fault of it */
    struct fr_text_buffer buffer; /* the request that is being made */
};

/* ---- deliveries ------------------------------------------------------------------ */

static void redis_fail(struct redis_sink *sink, struct fr_delivery *d, enum fr_outcome outcome,
                       const char *why, const char *remedy)
{
    char name[NAME_SIZE];

    fr_pattern_expand(sink->pattern, d, d->received_ms, name, sizeof name);
    sink->host->fail(sink->handle, d, outcome, "%s %.100s: %s%s",
                     sink->mode == MODE_STREAM ? "stream" : "channel", name, why, remedy);
}

/* Send one delivery, or report its outcome. */
static void redis_send(struct redis_sink *sink, struct fr_delivery *d)
{
    const void *payload = d->bytes;
    size_t len = d->len;
    char name[NAME_SIZE];

    if (!fr_pattern_expand(sink->pattern, d, d->received_ms, name, sizeof name)) {
        redis_fail(sink, d, FR_REFUSED, "the name is too long", " (shorten `topic:`)");
        return;
    }
    if (d->kind == FR_DELIVERY_FIELD)
        payload = sink->host->json(sink->handle, d, &len);
    fr_text_buffer_clear(&sink->buffer);
    if (payload == NULL)
        sink->buffer.failed = true;
    else if (sink->mode == MODE_STREAM)
        redis_command_xadd(&sink->buffer, name, sink->max_length, d, payload, len);
    else
        redis_command_publish(&sink->buffer, name, payload, len);
    if (sink->buffer.failed ||
        !connection_send(sink->connection, d, sink->buffer.bytes, sink->buffer.len))
        sink->host->done(sink->handle, d, FR_RETRY);
}

static void redis_send_waiting(struct redis_sink *sink)
{
    while (sink->waiting.count != 0 && connection_has_capacity(sink->connection) &&
           (!sink->troubled || connection_unanswered(sink->connection) == 0))
        redis_send(sink, requests_take(&sink->waiting).delivery);
}

static void redis_return_waiting(struct redis_sink *sink)
{
    while (sink->waiting.count != 0)
        sink->host->done(sink->handle, requests_take(&sink->waiting).delivery, FR_RETRY);
}

static void redis_deliver(void *state, struct fr_delivery *const *batch, size_t count)
{
    struct redis_sink *sink = state;

    for (size_t k = 0; k < count; k++)
        if (!connection_is_up(sink->connection) ||
            !requests_add(&sink->waiting, (struct request){.delivery = batch[k]}))
            sink->host->done(sink->handle, batch[k], FR_RETRY);
    redis_send_waiting(sink);
}

/* ---- events of the connection ---------------------------------------------------- */

static void redis_report_up(struct redis_sink *sink)
{
    sink->host->health(sink->handle, FR_HEALTH_UP, "connected to %s",
                       connection_address(sink->connection));
}

static void redis_up(void *ctx)
{
    struct redis_sink *sink = ctx;

    if (!sink->troubled) /* otherwise the next answer decides */
        redis_report_up(sink);
    redis_send_waiting(sink);
}

static void redis_refused(struct redis_sink *sink, struct fr_delivery *d, const char *text)
{
    struct redis_error error = redis_error_of(text);

    if (error.fault == FAULT_DELIVERY) {
        redis_fail(sink, d, FR_FAILED, text, error.remedy);
        return;
    }
    sink->troubled = true;
    sink->host->health(sink->handle, FR_HEALTH_DOWN, "%s: %s%s",
                       connection_address(sink->connection), text, error.remedy);
    sink->host->done(sink->handle, d, FR_RETRY);
    redis_return_waiting(sink);
    if (error.fault == FAULT_RENEW)
        connection_renew(sink->connection);
}

static void redis_answered(void *ctx, struct fr_delivery *d, const struct redis_reply *reply)
{
    struct redis_sink *sink = ctx;
    bool recovered = sink->troubled;

    if (reply->kind == REPLY_ERROR && redis_error_of(reply->text).fault != FAULT_DELIVERY) {
        redis_refused(sink, d, reply->text);
        return;
    }
    sink->troubled = false;
    if (reply->kind == REPLY_ERROR)
        redis_refused(sink, d, reply->text);
    else
        sink->host->done(sink->handle, d, FR_DONE);
    if (recovered && !sink->troubled)
        redis_report_up(sink);
}

static void redis_drained(void *ctx)
{
    redis_send_waiting(ctx);
}

/* The oldest delivery without an answer is kept, and sent alone by the next connection: the sink is up
 * again when it is answered. A server that logs in and answers nothing is not reported as up. */
static void redis_lost(void *ctx, const char *why)
{
    struct redis_sink *sink = ctx;
    struct fr_delivery *oldest = connection_take(sink->connection), *d;

    if (why != NULL) {
        sink->troubled = oldest != NULL;
        sink->host->health(sink->handle, FR_HEALTH_DOWN, "%s", why);
    }
    while ((d = connection_take(sink->connection)) != NULL) {
        d->flags |= FR_FLAG_REPEATED; /* the server may have executed the request */
        sink->host->done(sink->handle, d, FR_RETRY);
    }
    redis_return_waiting(sink);
    if (oldest == NULL)
        return;
    oldest->flags |= FR_FLAG_REPEATED;
    if (!requests_add(&sink->waiting, (struct request){.delivery = oldest}))
        sink->host->done(sink->handle, oldest, FR_RETRY);
}

static const struct connection_events redis_events = {redis_up, redis_answered, redis_drained,
                                                      redis_lost};

/* ---- open and close -------------------------------------------------------------- */

static void redis_check_number(struct fr_sink *sink, const struct fr_host *host, const char *option,
                               int64_t min, int64_t max, const char *range)
{
    int64_t number = host->number(sink, option);

    if (number < min || number > max)
        host->config_error(sink, option, NULL, "%s must be between %s", option, range);
}

static void redis_check_tls(struct fr_sink *sink, const struct fr_host *host)
{
    static const char *const names[] = {"ca", "certificate", "key"};
    bool tls = host->number(sink, "tls");

    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (!tls && host->text(sink, names[i]) != NULL)
            host->config_error(sink, names[i], NULL, "%s has no effect without `tls: true`",
                               names[i]);
    if (host->text(sink, "certificate") != NULL && host->text(sink, "key") == NULL)
        host->config_error(sink, "certificate", NULL, "certificate needs `key:`");
    if (host->text(sink, "key") != NULL && host->text(sink, "certificate") == NULL)
        host->config_error(sink, "key", NULL, "key needs `certificate:`");
}

static void redis_check(struct fr_sink *sink, const struct fr_host *host)
{
    const size_t path_max = sizeof((struct sockaddr_un *)0)->sun_path - 1;
    const char *path = host->text(sink, "socket");
    const char *mistake = fr_pattern_mistake(host->text(sink, "topic"));

    if (mistake != NULL)
        host->config_error(sink, "topic", NULL, "topic: %s", mistake);
    redis_check_number(sink, host, "port", 1, 65535, "1 and 65535");
    redis_check_number(sink, host, "database", 0, DATABASE_MAX, "0 and 1000000");
    redis_check_number(sink, host, "timeout", TIMEOUT_MIN_MS, TIMEOUT_MAX_MS, "100 ms and 60 s");
    redis_check_tls(sink, host);
    if (path != NULL && (path[0] != '/' || strlen(path) > path_max))
        host->config_error(sink, "socket", NULL,
                           "socket must be an absolute path of at most %zu bytes, such as "
                           "/run/redis/redis-server.sock",
                           path_max);
    if (path != NULL && host->number(sink, "tls"))
        host->config_error(sink, "socket", NULL, "a unix socket has no TLS: remove `tls:`");
    if (host->text(sink, "username") != NULL && host->text(sink, "password_file") == NULL)
        host->config_error(sink, "username", NULL, "username needs `password_file:`");
}

static void redis_close_instance(void *state)
{
    struct redis_sink *sink = state;

    connection_free(sink->connection);
    requests_free(&sink->waiting);
    fr_text_buffer_free(&sink->buffer);
    free(sink);
}

static void *redis_open_instance(struct fr_sink *handle, const struct fr_host *host)
{
    struct redis_sink *sink = calloc(1, sizeof *sink);

    if (sink == NULL)
        return NULL;
    sink->handle = handle;
    sink->host = host;
    sink->mode = (enum mode)host->number(handle, "mode");
    sink->pattern = host->text(handle, "topic");
    sink->max_length = host->number(handle, "max_length");
    sink->connection = connection_new(handle, host, &redis_events, sink);
    if (sink->connection == NULL) {
        redis_close_instance(sink);
        return NULL;
    }
    host->health(handle, FR_HEALTH_DEGRADED, "connecting");
    return sink;
}

static const struct fr_option options[] = {
    {"mode", FR_OPTION_CHOICE, "publish", false, "publish|stream",
     "publish: PUBLISH, as Tesla's server does; stream: XADD, which keeps the records"},
    {"topic", FR_OPTION_TEXT, "tesla_%{type}_{%{vin}}", false, NULL,
     "channel or stream of a record; %{type} of values is fields"},
    {"max_length", FR_OPTION_INTEGER, "10000", false, NULL,
     "stream: entries of one stream, about; 0: no bound"},
    CONNECTION_OPTIONS,
    {0},
};

extern const struct fr_plugin fleetroute_plugin;

const struct fr_plugin fleetroute_plugin = {
    FR_PLUGIN_HEADER,
    .name = "redis",
    .version = PACKAGE_VERSION,
    .summary = "a Redis server: the channels of Tesla's server, or streams",
    .options = options,
    .format = FR_FORMAT_PROTOBUF,
    .check = redis_check,
    .open = redis_open_instance,
    .deliver = redis_deliver,
    .close = redis_close_instance,
};
