#include "plugin/missing.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#include "config/suggest.h"
#include "util/buffer.h"
#include "util/memory.h"

#define INSTALLED_MAX 50 /* plugins of a folder that are considered */

static const struct {
    const char *name, *plugin, *package;
} known_plugins[] = {
    {"file", "file", "fleetroute"},
    {"kafka", "kafka", "fleetroute-kafka"},
    {"mqtt", "mqtt", "fleetroute-mqtt"},
    {"zmq", "zmq", "fleetroute-zmq"},
    {"zeromq", "zmq", "fleetroute-zmq"},
    {"ha_websocket", "ha_websocket", "fleetroute-homeassistant"},
    {"redis", "redis", "fleetroute-redis"},
    {"http", "http", "fleetroute-http"},
    {"webhook", "http", "fleetroute-http"},
    {"influx", "http", "fleetroute-http"},
    {"influxdb", "http", "fleetroute-http"},
    {"teslamate", "teslamate", "fleetroute-teslamate"},
    {"postgres", "postgres", "fleetroute-postgres"},
    {"postgresql", "postgres", "fleetroute-postgres"},
    {"timescaledb", "postgres", "fleetroute-postgres"},
    {"home_assistant", "ha_websocket", "fleetroute-homeassistant"},
    {"homeassistant", "ha_websocket", "fleetroute-homeassistant"},
};

#define KNOWN_PLUGINS (sizeof known_plugins / sizeof *known_plugins)

/* The names of the plugins in a folder. Each and the list are the caller's. */
static size_t missing_list_installed(const char *directory, char *names[INSTALLED_MAX])
{
    DIR *folder = opendir(directory);
    const struct dirent *entry;
    size_t count = 0;

    while (folder != NULL && count < INSTALLED_MAX && (entry = readdir(folder)) != NULL) {
        size_t len = strlen(entry->d_name);

        if (len > 3 && strcmp(entry->d_name + len - 3, ".so") == 0)
            names[count++] = fr_strndup(entry->d_name, len - 3);
    }
    if (folder != NULL)
        closedir(folder);
    return count;
}

static bool missing_is_installed(char *const *names, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(names[i], name) == 0)
            return true;
    return false;
}

/* The index in known_plugins of a plugin by one of its names; KNOWN_PLUGINS: it is none. */
static size_t missing_find_known(const char *name)
{
    size_t i = 0;

    while (i < KNOWN_PLUGINS && strcmp(known_plugins[i].name, name) != 0)
        i++;
    return i;
}

static void missing_put_installed(struct fr_buffer *text, char *const *names, size_t count)
{
    fr_buffer_text(text, count != 0 ? "; the plugins there are " : "; there are no plugins there");
    for (size_t i = 0; i < count; i++)
        fr_buffer_printf(text, "%s%s", i != 0 ? ", " : "", names[i]);
}

void fr_plugin_missing(const char *name, const char *directory, struct fr_error *error)
{
    char *names[INSTALLED_MAX];
    size_t count = missing_list_installed(directory, names), known;
    struct fr_suggestion suggestion = fr_suggest_begin(name);
    struct fr_buffer text = {0};
    const char *best;

    for (size_t i = 0; i < count; i++)
        fr_suggest_try(&suggestion, names[i]);
    for (size_t i = 0; i < KNOWN_PLUGINS; i++)
        fr_suggest_try(&suggestion, known_plugins[i].name);
    best = fr_suggest_best(&suggestion);
    known = missing_find_known(best != NULL ? best : name);
    if (known < KNOWN_PLUGINS)
        best = known_plugins[known].plugin;
    fr_buffer_printf(&text, "cannot load plugin \"%.100s\": there is no %s/%.100s.so", name,
                     directory, name);
    if (best != NULL && strcmp(best, name) != 0)
        fr_buffer_printf(&text, "; did you mean \"%s\"?", best);
    if (known < KNOWN_PLUGINS && !missing_is_installed(names, count, best))
        fr_buffer_printf(&text, "%s the Debian package %s has it: apt install %s",
                         strcmp(best, name) != 0 ? "" : ";", known_plugins[known].package,
                         known_plugins[known].package);
    else if (best == NULL)
        missing_put_installed(&text, names, count);
    fr_error_set(error, "%s", fr_buffer_string(&text));
    fr_buffer_free(&text);
    for (size_t i = 0; i < count; i++)
        free(names[i]);
}
