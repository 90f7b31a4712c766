#include "sink/plugin_loader.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

#include "util/memory.h"

static int check(const struct fr_plugin *plugin, const char *path, struct fr_error *error)
{
    if (plugin->abi != FLEETROUTE_PLUGIN_ABI)
        return fr_error_set(error,
                            "plugin %s was built for plugin ABI %u, this fleetroute has %d: "
                            "install the plugin's matching version or build it again",
                            path, plugin->abi, FLEETROUTE_PLUGIN_ABI);
    if (plugin->name == NULL || plugin->open == NULL || plugin->deliver == NULL ||
        plugin->close == NULL)
        return fr_error_set(error, "plugin %s lacks a name, open, deliver or close", path);
    return 0;
}

const struct fr_plugin *fr_plugin_load(const char *name, const char *directory,
                                       struct fr_error *error)
{
    char *path =
        strchr(name, '/') != NULL ? fr_strdup(name) : fr_asprintf("%s/%s.so", directory, name);
    const struct fr_plugin *plugin = NULL;
    void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);

    if (handle == NULL) {
        fr_error_set(error, "cannot load plugin \"%s\": %s", name, dlerror());
        goto out;
    }
    plugin = dlsym(handle, FR_PLUGIN_SYMBOL);
    if (plugin == NULL)
        fr_error_set(error, "%s is no fleetroute plugin: it has no symbol %s", path,
                     FR_PLUGIN_SYMBOL);
    else if (check(plugin, path, error) != 0)
        plugin = NULL;
    if (plugin == NULL)
        dlclose(handle);
out:
    free(path);
    return plugin;
}
