/*
 * ha_websocket.so - vehicles as devices of Home Assistant, over its own WebSocket API: neither a
 * broker nor an integration is needed there, only a token.
 */
#include <stdlib.h>
#include <string.h>

#include "fleetroute/plugin.h"
#include "ha_websocket/hub.h"

struct instance {
    struct peer peer;
    struct fr_entities *entities;
    struct hub *hub;
};

static void deliver(void *state, struct fr_delivery *const *batch, size_t count)
{
    struct instance *i = state;

    for (size_t k = 0; k < count; k++)
        hub_take(i->hub, batch[k]);
    hub_go(i->hub);
}

static void check(struct fr_sink *sink, const struct fr_host *host)
{
    struct peer peer;
    char why[512];
    struct fr_entities *entities = fr_entities_load(host->text(sink, "entities"), why, sizeof why);

    if (entities == NULL)
        host->wrong(sink, "entities", NULL, "%s", why);
    fr_entities_free(entities);
    if (peer_parse(&peer, host->text(sink, "url"), why, sizeof why) != 0)
        host->wrong(sink, "url", NULL, "%s", why);
    else if (peer_prepare(&peer, host->text(sink, "ca"), why, sizeof why) != 0)
        host->wrong(sink, "ca", NULL, "%s", why);
    else
        peer_end(&peer);
}

static void close_instance(void *state)
{
    struct instance *i = state;

    hub_free(i->hub);
    fr_entities_free(i->entities);
    peer_end(&i->peer);
    free(i);
}

static void *open_instance(struct fr_sink *sink, const struct fr_host *host)
{
    struct instance *i = calloc(1, sizeof *i);
    const char *option = "url";
    char why[512] = "";

    if (i == NULL)
        return NULL;
    if (peer_parse(&i->peer, host->text(sink, "url"), why, sizeof why) == 0 &&
        (option = "ca", peer_prepare(&i->peer, host->text(sink, "ca"), why, sizeof why)) == 0 &&
        (option = "entities",
         i->entities = fr_entities_load(host->text(sink, "entities"), why, sizeof why)) != NULL)
        i->hub = hub_new(sink, host, &i->peer, i->entities);
    if (i->hub != NULL)
        return i;
    if (why[0] != '\0')
        host->wrong(sink, option, NULL, "%s", why);
    close_instance(i);
    return NULL;
}

static const struct fr_option options[] = {
    {"url", FR_OPTION_TEXT, "http://homeassistant.local:8123", false, NULL,
     "Home Assistant, as in a browser; https is verified"},
    {"token_file", FR_OPTION_TEXT, NULL, true, NULL,
     "a file with a long-lived access token of an administrator"},
    {"ca", FR_OPTION_TEXT, NULL, false, NULL,
     "https: who signed its certificate; if not set, one of the system's CAs"},
    {"entities", FR_OPTION_TEXT, FR_DATA_DIR "/entities.yaml", false, NULL, "the entity catalogue"},
    {"position_age", FR_OPTION_DURATION, "30 s", false, NULL,
     "an older position sets off no zone automation"},
    {"position_gap", FR_OPTION_DURATION, "10 min", false, NULL,
     "nor does one after so long a silence"},
    {0},
};

extern const struct fr_plugin fleetroute_plugin;

const struct fr_plugin fleetroute_plugin = {
    .abi = FLEETROUTE_PLUGIN_ABI,
    .name = "ha_websocket",
    .version = PACKAGE_VERSION,
    .summary = "Home Assistant, over its own WebSocket API",
    .options = options,
    .format = FR_FORMAT_JSON,
    .in_flight = 5000,
    .mode = FR_MODE_LATEST,
    .check = check,
    .open = open_instance,
    .deliver = deliver,
    .close = close_instance,
};
