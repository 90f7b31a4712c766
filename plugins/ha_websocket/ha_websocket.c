/*
 * The sink plugin ha_websocket: vehicles as devices of Home Assistant over its WebSocket API. Home
 * Assistant needs no broker and no additional integration, only an access token.
 */
#include <stdlib.h>
#include <string.h>

#include "fleetroute/plugin.h"
#include "ha_websocket/hub.h"

struct ha_sink {
    struct peer peer;
    struct fr_entities *entities;
    struct hub *hub;
};

static void ha_deliver(void *state, struct fr_delivery *const *batch, size_t count)
{
    struct ha_sink *ha = state;

    for (size_t i = 0; i < count; i++)
        hub_receive(ha->hub, batch[i]);
    hub_send(ha->hub);
}

static void ha_check(struct fr_sink *sink, const struct fr_host *host)
{
    struct peer peer;
    char why[512];
    struct fr_entities *entities = fr_entities_load(host->text(sink, "entities"), why, sizeof why);

    if (entities == NULL)
        host->config_error(sink, "entities", NULL, "%s", why);
    fr_entities_free(entities);
    if (peer_parse(&peer, host->text(sink, "url"), why, sizeof why) != 0)
        host->config_error(sink, "url", NULL, "%s", why);
    else if (peer_init_tls(&peer, host->text(sink, "ca"), why, sizeof why) != 0)
        host->config_error(sink, "ca", NULL, "%s", why);
    else
        peer_clear(&peer);
}

static void ha_close(void *state)
{
    struct ha_sink *ha = state;

    hub_free(ha->hub);
    fr_entities_free(ha->entities);
    peer_clear(&ha->peer);
    free(ha);
}

static void *ha_open(struct fr_sink *sink, const struct fr_host *host)
{
    struct ha_sink *ha = calloc(1, sizeof *ha);
    const char *option = "url";
    char why[512] = "";

    if (ha == NULL)
        return NULL;
    if (peer_parse(&ha->peer, host->text(sink, "url"), why, sizeof why) == 0 &&
        (option = "ca", peer_init_tls(&ha->peer, host->text(sink, "ca"), why, sizeof why)) == 0 &&
        (option = "entities",
         ha->entities = fr_entities_load(host->text(sink, "entities"), why, sizeof why)) != NULL)
        ha->hub = hub_new(sink, host, &ha->peer, ha->entities);
    if (ha->hub != NULL)
        return ha;
    if (why[0] != '\0')
        host->config_error(sink, option, NULL, "%s", why);
    ha_close(ha);
    return NULL;
}

static const struct fr_option options[] = {
    {"url", FR_OPTION_TEXT, "http://homeassistant.local:8123", false, NULL,
     "URL of Home Assistant; the certificate of https is verified"},
    {"token_file", FR_OPTION_TEXT, NULL, true, NULL,
     "file with a long-lived access token of an administrator"},
    {"ca", FR_OPTION_TEXT, NULL, false, NULL,
     "https: file with the trusted CAs; default: the CAs of the system"},
    {"entities", FR_OPTION_TEXT, FR_DATA_DIR "/entities.yaml", false, NULL,
     "file with the entity catalogue"},
    {"position_age", FR_OPTION_DURATION, "30 s", false, NULL,
     "a position older than this triggers no zone automation"},
    {"position_gap", FR_OPTION_DURATION, "10 min", false, NULL,
     "a position after a longer gap triggers no zone automation"},
    {"alert_age", FR_OPTION_DURATION, "5 min", false, NULL,
     "an alert that began longer ago is not live: it triggers no automation"},
    {0},
};

extern const struct fr_plugin fleetroute_plugin;

const struct fr_plugin fleetroute_plugin = {
    FR_PLUGIN_HEADER,           .name = "ha_websocket",
    .version = PACKAGE_VERSION, .summary = "Home Assistant over its WebSocket API",
    .options = options,         .format = FR_FORMAT_JSON,
    .in_flight = 5000,          .mode = FR_MODE_LATEST,
    .check = ha_check,          .open = ha_open,
    .deliver = ha_deliver,      .close = ha_close,
};
