/*
 * The sink plugin http.so: sends records and values to a web server, in requests of many deliveries. This
 * file connects the parts; everything runs on the sink's thread.
 *
 * A delivery is answered FR_DONE when the server has accepted its request.
 */
#include <stdlib.h>

#include "fleetroute/plugin.h"
#include "http/first_contact.h"
#include "http/away.h"
#include "http/lane.h"
#include "http/http_state.h"
#include "text_hash.h"

#define GATHER_MS 40 /* between two batches under load */

/* ---- deliveries ------------------------------------------------------------------ */

static struct lane *http_lane_of(struct http_sink *sink, const struct fr_delivery *d)
{
    return sink->lanes[fr_text_hash(d->vin) % sink->lane_count];
}

static void http_deliver(void *state, struct fr_delivery *const *batch, size_t count)
{
    struct http_sink *sink = state;

    if (away_is_active(sink->away)) {
        for (size_t i = 0; i < count; i++)
            away_return(sink->away, batch[i]);
        return;
    }
    for (size_t i = 0; i < count; i++)
        lane_add(http_lane_of(sink, batch[i]), batch[i]);
    for (size_t i = 0; i < sink->lane_count; i++)
        lane_send(sink->lanes[i]);
}

static void http_flush(void *state)
{
    struct http_sink *sink = state;

    away_flush(sink->away);
}

/* ---- open and close -------------------------------------------------------------- */

static void http_close_instance(void *state)
{
    struct http_sink *sink = state;

    first_contact_free(sink->contact);
    away_free(sink->away);
    for (size_t i = 0; i < sink->lane_count; i++)
        lane_free(sink->lanes[i]);
    free(sink->lanes);
    requests_free(sink->requests);
    free(sink);
}

static bool http_open_lanes(struct http_sink *sink)
{
    size_t count = (size_t)sink->host->number(sink->handle, "connections");

    sink->lanes = calloc(count, sizeof(struct lane *));
    if (sink->lanes == NULL)
        return false;
    while (sink->lane_count < count) {
        sink->lanes[sink->lane_count] = lane_new(sink);
        if (sink->lanes[sink->lane_count] == NULL)
            return false;
        sink->lane_count++;
    }
    return true;
}

static void *http_open_instance(struct fr_sink *handle, const struct fr_host *host)
{
    struct http_sink *sink = calloc(1, sizeof *sink);

    if (sink == NULL)
        return NULL;
    sink->handle = handle;
    sink->host = host;
    sink->requests = requests_new(handle, host);
    if (sink->requests != NULL && http_open_lanes(sink) && (sink->away = away_new(sink)) != NULL &&
        (sink->contact = first_contact_new(sink)) != NULL) {
        host->health(handle, FR_HEALTH_DEGRADED, "connecting");
        return sink;
    }
    host->log(handle, FR_LOG_ERROR, "no memory for the sink; free memory");
    http_close_instance(sink);
    return NULL;
}

static const struct fr_option options[] = {REQUESTS_OPTIONS, {0}};

extern const struct fr_plugin fleetroute_plugin;

const struct fr_plugin fleetroute_plugin = {
    FR_PLUGIN_HEADER,
    .name = "http",
    .version = PACKAGE_VERSION,
    .summary = "a web server: webhooks, InfluxDB, ABRP",
    .options = options,
    .format = FR_FORMAT_JSON,
    .check = requests_check,
    .open = http_open_instance,
    .deliver = http_deliver,
    .flush = http_flush,
    .close = http_close_instance,
    .gather_ms = GATHER_MS,
};
