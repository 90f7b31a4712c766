/*
 * The sink plugin teslamate.so: serves vehicles to TeslaMate, with the protocols of Tesla's former
 * streaming server and of its owner API. This file connects the parts, and reports the health.
 * Everything runs on the sink's thread.
 *
 * A delivery is done when the state of its vehicle has changed: clients that are slow or absent hold
 * nothing up.
 */
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "car_state/car_ids.h"
#include "clock_ms.h"
#include "fleetroute/plugin.h"
#include "teslamate/clients.h"
#include "teslamate/listener.h"
#include "teslamate/rest.h"
#include "teslamate/stream.h"
#include "teslamate/tls_server.h"
#include "teslamate/token_file.h"
#include "teslamate/vehicles.h"

#define TICK_MS 1000
#define SLOW_TICKS 5 /* between two looks at files and at the time of vehicles */
#define WHY_SIZE 320
#define CONNECTIONS_MAX 4096
#define IDS_FILE "ids"

struct teslamate_sink {
    struct fr_sink *handle; /* for calls of `host` */
    const struct fr_host *host;
    struct fr_car_ids *ids;
    struct vehicles *vehicles;
    struct clients *clients;
    struct stream *stream;
    struct listener *listener;
    struct tls_server *tls; /* NULL: without TLS */
    struct token_file *tokens;
    struct rest rest;
    struct event *timer;
    unsigned ticks;
    bool ids_loaded;
    unsigned long long overflow; /* deliveries of vehicles too many */
    char tokens_why[WHY_SIZE], tls_why[WHY_SIZE], ids_why[WHY_SIZE]; /* "": no fault */
    char listen_why[WHY_SIZE];
};

/* ---- health ---------------------------------------------------------------------- */

static void teslamate_report_faults(struct teslamate_sink *sink, enum fr_health health,
                                    const char *why)
{
    sink->host->health(sink->handle, health, "%s", why);
}

static void teslamate_report_clients(struct teslamate_sink *sink)
{
    const struct clients_counts *counts = clients_counts(sink->clients);
    char closed[160] = "";

    if (counts->slow + counts->refused + counts->unauthorised != 0)
        snprintf(closed, sizeof closed,
                 "; %llu slow ones were closed, %llu were too many, %llu tokens were wrong",
                 counts->slow, counts->refused, counts->unauthorised);
    if (counts->connections == 0)
        sink->host->health(sink->handle, FR_HEALTH_UP, "no client connected at %s%s",
                           sink->host->text(sink->handle, "listen"), closed);
    else
        sink->host->health(sink->handle, FR_HEALTH_UP,
                           "%zu connections at %s, %zu subscriptions, %llu rows sent%s",
                           counts->connections, sink->host->text(sink->handle, "listen"),
                           counts->subscriptions, stream_rows(sink->stream), closed);
}

/* The daemon is down for TeslaMate if it does not listen or has no token. */
static void teslamate_report(struct teslamate_sink *sink)
{
    if (sink->listen_why[0] != '\0')
        teslamate_report_faults(sink, FR_HEALTH_DOWN, sink->listen_why);
    else if (sink->tokens_why[0] != '\0')
        teslamate_report_faults(sink, sink->tokens == NULL ? FR_HEALTH_DOWN : FR_HEALTH_DEGRADED,
                                sink->tokens_why);
    else if (sink->tls_why[0] != '\0')
        teslamate_report_faults(sink, FR_HEALTH_DEGRADED, sink->tls_why);
    else if (sink->ids_why[0] != '\0')
        teslamate_report_faults(sink, FR_HEALTH_DEGRADED, sink->ids_why);
    else if (sink->overflow != 0)
        sink->host->health(sink->handle, FR_HEALTH_DEGRADED,
                           "%llu values of vehicles over the maximum number, or without memory, "
                           "were skipped: route fewer vehicles to this sink",
                           sink->overflow);
    else if (vehicles_lack_presence(sink->vehicles))
        teslamate_report_faults(sink, FR_HEALTH_DEGRADED,
                                "no presence record has arrived, so vehicles never sleep: add the "
                                "type `presence` to the record routes of this sink");
    else
        teslamate_report_clients(sink);
}

/* ---- files ----------------------------------------------------------------------- */

/* Read the tokens again; those in use stay if the file cannot be read. A token that was removed must not
 * keep its streams. */
static void teslamate_read_tokens(struct teslamate_sink *sink)
{
    struct token_file *tokens = token_file_read(sink->host->text(sink->handle, "token_file"),
                                                sink->tokens_why, sizeof sink->tokens_why);

    if (tokens == NULL)
        return;
    sink->tokens_why[0] = '\0';
    if (sink->tokens != NULL && token_file_lacks(tokens, sink->tokens))
        clients_end_streams(sink->clients);
    token_file_free(sink->tokens);
    sink->tokens = tokens;
}

static void teslamate_note(char why[WHY_SIZE], bool ok, const struct fr_text_buffer *text)
{
    if (ok)
        why[0] = '\0';
    else
        snprintf(why, WHY_SIZE, "%s", fr_text_buffer_string(text));
}

static void teslamate_load_ids(struct teslamate_sink *sink)
{
    const char *folder = sink->host->state_dir(sink->handle);
    struct fr_text_buffer path = {0}, why = {0};

    if (folder == NULL)
        return;
    fr_text_buffer_printf(&path, "%s/" IDS_FILE, folder);
    sink->ids_loaded = fr_car_ids_load(sink->ids, fr_text_buffer_string(&path), &why);
    teslamate_note(sink->ids_why, sink->ids_loaded, &why);
    fr_text_buffer_free(&path);
    fr_text_buffer_free(&why);
}

static void teslamate_save_ids(struct teslamate_sink *sink)
{
    struct fr_text_buffer why = {0};

    if (!sink->ids_loaded)
        teslamate_load_ids(sink);
    if (sink->ids_loaded)
        teslamate_note(sink->ids_why, fr_car_ids_save(sink->ids, &why), &why);
    fr_text_buffer_free(&why);
}

static void teslamate_read_certificate(struct teslamate_sink *sink)
{
    if (sink->tls != NULL && tls_server_refresh(sink->tls, sink->tls_why, sizeof sink->tls_why))
        sink->tls_why[0] = '\0';
}

/* Listen as soon as there is a certificate. */
static void teslamate_listen(struct teslamate_sink *sink)
{
    if (sink->tls != NULL && !tls_server_is_ready(sink->tls))
        snprintf(sink->listen_why, sizeof sink->listen_why, "%s", sink->tls_why);
    else if (listener_listen(sink->listener, sink->listen_why, sizeof sink->listen_why))
        sink->listen_why[0] = '\0';
}

static void teslamate_tick(evutil_socket_t fd, short what, void *ctx)
{
    struct teslamate_sink *sink = ctx;

    (void)fd, (void)what;
    clients_check(sink->clients, fr_clock_monotonic_ms());
    if (sink->ticks++ % SLOW_TICKS == 0) {
        teslamate_read_tokens(sink);
        teslamate_read_certificate(sink);
        vehicles_pass_time(sink->vehicles, fr_clock_wall_ms());
    }
    teslamate_save_ids(sink);
    teslamate_listen(sink);
    teslamate_report(sink);
}

/* ---- events ---------------------------------------------------------------------- */

static void teslamate_on_request(void *ctx, struct client *client, const struct request *request,
                                 const char *content)
{
    rest_answer(&((struct teslamate_sink *)ctx)->rest, client, request, content);
}

static void teslamate_on_message(void *ctx, struct client *client, const char *text, size_t len)
{
    stream_message(((struct teslamate_sink *)ctx)->stream, client, text, len);
}

static void teslamate_on_opened(void *ctx, struct client *client)
{
    stream_opened(((struct teslamate_sink *)ctx)->stream, client);
}

static void teslamate_on_closed(void *ctx, struct client *client)
{
    stream_closed(((struct teslamate_sink *)ctx)->stream, client);
}

static void teslamate_on_tick(void *ctx, struct client *client, int64_t now_ms)
{
    stream_tick(((struct teslamate_sink *)ctx)->stream, client, now_ms);
}

static const struct clients_handlers client_handlers = {teslamate_on_request, teslamate_on_message,
                                                        teslamate_on_opened, teslamate_on_closed,
                                                        teslamate_on_tick};

static void teslamate_on_added(void *ctx, struct vehicle *vehicle)
{
    stream_vehicle_added(((struct teslamate_sink *)ctx)->stream, vehicle);
}

static void teslamate_on_frame(void *ctx, struct vehicle *vehicle)
{
    stream_vehicle_frame(((struct teslamate_sink *)ctx)->stream, vehicle);
}

static void teslamate_on_state(void *ctx, struct vehicle *vehicle)
{
    stream_vehicle_state(((struct teslamate_sink *)ctx)->stream, vehicle);
}

static const struct vehicles_events vehicle_events = {teslamate_on_added, teslamate_on_frame,
                                                      teslamate_on_state};

/* ---- deliveries ------------------------------------------------------------------ */

static void teslamate_deliver(void *state, struct fr_delivery *const *batch, size_t count)
{
    struct teslamate_sink *sink = state;
    int64_t now_ms = fr_clock_wall_ms();

    for (size_t i = 0; i < count; i++) {
        if (!vehicles_receive(sink->vehicles, batch[i], now_ms))
            sink->overflow++;
        sink->host->done(sink->handle, batch[i], FR_DONE);
    }
    vehicles_flush(sink->vehicles);
}

/* ---- open and close -------------------------------------------------------------- */

struct ids_context {
    struct fr_sink *handle;
    const struct fr_host *host;
    struct fr_car_ids *ids;
    bool failed;
};

static int teslamate_add_id(const char *vin, const char *number, void *context)
{
    struct ids_context *c = context;
    struct fr_text_buffer why = {0};

    if (!fr_car_ids_configure(c->ids, vin, number, &why)) {
        c->host->config_error(c->handle, "ids", vin, "%s", fr_text_buffer_string(&why));
        c->failed = true;
    }
    fr_text_buffer_free(&why);
    return 0;
}

/* The numbers of the configuration. NULL: a mistake was reported, or no memory. */
static struct fr_car_ids *teslamate_configured_ids(struct fr_sink *handle,
                                                   const struct fr_host *host)
{
    struct ids_context c = {handle, host, fr_car_ids_new(), false};

    if (c.ids != NULL)
        host->each(handle, "ids", teslamate_add_id, &c);
    if (!c.failed)
        return c.ids;
    fr_car_ids_free(c.ids);
    return NULL;
}

static void teslamate_check_range(struct fr_sink *handle, const struct fr_host *host,
                                  const char *option, int64_t min, int64_t max)
{
    int64_t number = host->number(handle, option);

    if (number < min || number > max)
        host->config_error(handle, option, NULL, "%s must be between %lld and %lld", option,
                           (long long)min, (long long)max);
}

static void teslamate_check(struct fr_sink *handle, const struct fr_host *host)
{
    const char *listen = host->text(handle, "listen"), *path = host->text(handle, "token_path");
    const char *certificate = host->text(handle, "certificate"), *key = host->text(handle, "key");
    const char *mistake = listener_mistake(listen);

    if (mistake != NULL)
        host->config_error(handle, "listen", NULL, "%s", mistake);
    else if (certificate == NULL && !listener_is_loopback(listen) &&
             !host->number(handle, "insecure"))
        host->config_error(handle, "listen", NULL,
                           "others on the network could read the token: set `certificate:` and "
                           "`key:`, or `insecure: true`");
    if (certificate != NULL && key == NULL)
        host->config_error(handle, "certificate", NULL, "certificate needs `key:`");
    if (key != NULL && certificate == NULL)
        host->config_error(handle, "key", NULL, "key needs `certificate:`");
    if (path[0] != '/' || strpbrk(path, "?# ") != NULL)
        host->config_error(handle, "token_path", NULL,
                           "token_path must be a path such as /oauth2/v3/token");
    teslamate_check_range(handle, host, "max_connections", 1, CONNECTIONS_MAX);
    teslamate_check_range(handle, host, "max_connections_per_address", 1, CONNECTIONS_MAX);
    teslamate_check_range(handle, host, "client_buffer", 16384, 67108864);
    fr_car_ids_free(teslamate_configured_ids(handle, host));
}

static void teslamate_close(void *state)
{
    struct teslamate_sink *sink = state;
    struct fr_text_buffer why = {0};

    if (sink->timer != NULL)
        event_free(sink->timer);
    listener_free(sink->listener);
    clients_free(sink->clients);
    vehicles_free(sink->vehicles);
    stream_free(sink->stream);
    tls_server_free(sink->tls);
    token_file_free(sink->tokens);
    if (sink->ids_loaded)
        fr_car_ids_save(sink->ids, &why);
    fr_text_buffer_free(&why);
    fr_car_ids_free(sink->ids);
    free(sink);
}

/* Make the parts. False: no memory. */
static bool teslamate_make_parts(struct teslamate_sink *sink)
{
    struct event_base *base = sink->host->event_base(sink->handle);
    const char *certificate = sink->host->text(sink->handle, "certificate");
    struct clients_limits limits = {
        (size_t)sink->host->number(sink->handle, "max_connections"),
        (size_t)sink->host->number(sink->handle, "max_connections_per_address"),
        (size_t)sink->host->number(sink->handle, "client_buffer"),
    };

    sink->stream = stream_new(&sink->tokens);
    sink->vehicles = vehicles_new(sink->ids, &vehicle_events, sink);
    sink->clients = clients_new(base, &limits, &client_handlers, sink);
    if (certificate != NULL)
        sink->tls = tls_server_new(certificate, sink->host->text(sink->handle, "key"));
    sink->listener =
        listener_new(base, sink->host->text(sink->handle, "listen"), sink->tls, sink->clients);
    sink->timer = event_new(base, -1, EV_PERSIST, teslamate_tick, sink);
    if (sink->stream == NULL || sink->vehicles == NULL || sink->clients == NULL ||
        (certificate != NULL && sink->tls == NULL) || sink->listener == NULL || sink->timer == NULL)
        return false;
    stream_connect(sink->stream, sink->vehicles, sink->clients);
    sink->rest =
        (struct rest){&sink->tokens, sink->vehicles, sink->host->text(sink->handle, "token_path")};
    return true;
}

static void *teslamate_open(struct fr_sink *handle, const struct fr_host *host)
{
    struct teslamate_sink *sink = calloc(1, sizeof *sink);

    if (sink == NULL)
        return NULL;
    sink->handle = handle;
    sink->host = host;
    sink->ids = teslamate_configured_ids(handle, host);
    if (sink->ids == NULL || !teslamate_make_parts(sink)) {
        if (sink->ids != NULL)
            host->log(handle, FR_LOG_ERROR, "no memory");
        /* The clients' handlers need the stream. */
        if (sink->stream == NULL)
            sink->clients = NULL;
        teslamate_close(sink);
        return NULL;
    }
    teslamate_load_ids(sink);
    host->restore(handle);
    teslamate_tick(-1, 0, sink);
    event_add(sink->timer, &(struct timeval){TICK_MS / 1000, 0});
    return sink;
}

static const struct fr_option options[] = {
    {"listen", FR_OPTION_TEXT, "127.0.0.1:8185", false, NULL,
     "numeric address and port for TeslaMate"},
    {"certificate", FR_OPTION_TEXT, NULL, false, NULL,
     "PEM file with the certificate and its chain: enables TLS"},
    {"key", FR_OPTION_TEXT, NULL, false, NULL, "PEM file with the private key of the certificate"},
    {"insecure", FR_OPTION_BOOLEAN, "false", false, NULL, "listen on the network without TLS"},
    {"token_file", FR_OPTION_TEXT, NULL, true, NULL,
     "file (mode 0600) with the tokens of clients, one on each line"},
    {"token_path", FR_OPTION_TEXT, "/oauth2/v3/token", false, NULL,
     "path at which clients refresh their token: TESLA_AUTH_PATH and /token"},
    {"ids", FR_OPTION_MAP, NULL, false, NULL,
     "numbers of vehicles: VIN: NUMBER; the others get the lowest free ones"},
    {"max_connections", FR_OPTION_INTEGER, "128", false, NULL, "connections at a time"},
    {"max_connections_per_address", FR_OPTION_INTEGER, "64", false, NULL,
     "connections of one address at a time"},
    {"client_buffer", FR_OPTION_SIZE, "256 kB", false, NULL,
     "bytes that wait for one stream; beyond it the client is closed"},
    {0},
};

extern const struct fr_plugin fleetroute_plugin;

const struct fr_plugin fleetroute_plugin = {
    FR_PLUGIN_HEADER,
    .name = "teslamate",
    .version = PACKAGE_VERSION,
    .summary = "TeslaMate: a streaming server and the API that it needs",
    .options = options,
    .format = FR_FORMAT_JSON,
    .check = teslamate_check,
    .open = teslamate_open,
    .deliver = teslamate_deliver,
    .close = teslamate_close,
};
