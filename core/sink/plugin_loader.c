#include "sink/plugin_loader.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

#include "util/memory.h"

static int check_abi(uint32_t abi, const char *path, struct fr_error *error)
{
    if (abi == FLEETROUTE_PLUGIN_ABI)
        return 0;
    return fr_error_set(error,
                        "plugin %s was built for plugin ABI %u, this fleetroute has %d: install "
                        "the plugin's matching version or build it again",
                        path, abi, FLEETROUTE_PLUGIN_ABI);
}

static const void *load(const char *name, const char *directory, const char *symbol, char **path,
                        struct fr_error *error)
{
    const void *found;
    void *handle;

    *path = strchr(name, '/') != NULL ? fr_strdup(name) : fr_asprintf("%s/%s.so", directory, name);
    handle = dlopen(*path, RTLD_NOW | RTLD_LOCAL);
    if (handle == NULL) {
        fr_error_set(error, "cannot load plugin \"%s\": %s", name, dlerror());
        return NULL;
    }
    found = dlsym(handle, symbol);
    if (found == NULL) {
        fr_error_set(error, "%s is no fleetroute %s: it has no symbol %s", *path,
                     strcmp(symbol, FR_PLUGIN_SYMBOL) == 0 ? "plugin" : "source plugin", symbol);
        dlclose(handle);
    }
    return found;
}

const struct fr_plugin *fr_plugin_load(const char *name, const char *directory,
                                       struct fr_error *error)
{
    char *path;
    const struct fr_plugin *plugin = load(name, directory, FR_PLUGIN_SYMBOL, &path, error);

    if (plugin != NULL && check_abi(plugin->abi, path, error) != 0)
        plugin = NULL;
    else if (plugin != NULL && (plugin->name == NULL || plugin->open == NULL ||
                                plugin->deliver == NULL || plugin->close == NULL)) {
        fr_error_set(error, "plugin %s lacks a name, open, deliver or close", path);
        plugin = NULL;
    }
    free(path);
    return plugin;
}

const struct fr_source_plugin *fr_source_plugin_load(const char *name, const char *directory,
                                                     struct fr_error *error)
{
    char *path;
    const struct fr_source_plugin *plugin = load(name, directory, FR_SOURCE_SYMBOL, &path, error);

    if (plugin != NULL && check_abi(plugin->abi, path, error) != 0)
        plugin = NULL;
    else if (plugin != NULL && (plugin->name == NULL || plugin->open == NULL ||
                                plugin->stored == NULL || plugin->close == NULL)) {
        fr_error_set(error, "source plugin %s lacks a name, open, stored or close", path);
        plugin = NULL;
    }
    free(path);
    return plugin;
}
