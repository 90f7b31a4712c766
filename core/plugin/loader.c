#include "plugin/loader.h"

#include <assert.h>
#include <dlfcn.h>
#include <stdalign.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "plugin/missing.h"
#include "util/memory.h"

/* Bounds of a plausible descriptor: an object of before ABI 6 has no size where this one has. */
#define DESCRIPTOR_MIN (sizeof(size_t) + 2 * sizeof(uint32_t))
#define DESCRIPTOR_MAX 4096
#define OPTIONS_MAX 256

/* The first members of struct fr_plugin and of struct fr_source_plugin. */
struct header {
    size_t size;
    uint32_t abi;
    uint32_t option_size;
    const char *name, *version, *summary;
    const struct fr_option *options;
};

static_assert(offsetof(struct header, options) == offsetof(struct fr_plugin, options) &&
                  offsetof(struct header, options) == offsetof(struct fr_source_plugin, options),
              "sinks and sources begin with the same members");

/* A descriptor in the layout of this program, made from that of a plugin. It lives as long as the
 * process, like the plugin. Main thread only. */
struct loaded {
    const struct header *original;
    struct header *copy;
    struct loaded *next;
};
static struct loaded *loaded_list;

static int loader_check_abi(const struct header *header, const char *path, struct fr_error *error)
{
    uint32_t major = header->abi >> 16, minor = header->abi & 0xffff;

    if (header->size < DESCRIPTOR_MIN || header->size > DESCRIPTOR_MAX)
        return fr_error_set(error,
                            "plugin %s was built for a plugin ABI before %u.0: rebuild it with the "
                            "header of this fleetroute",
                            path, FLEETROUTE_PLUGIN_ABI_MAJOR);
    if (major == FLEETROUTE_PLUGIN_ABI_MAJOR && minor <= FLEETROUTE_PLUGIN_ABI_MINOR) {
        if (header->option_size < sizeof(char *) || header->option_size > DESCRIPTOR_MAX ||
            header->option_size % alignof(struct fr_option) != 0)
            return fr_error_set(error, "plugin %s has a wrong option_size: use FR_PLUGIN_HEADER",
                                path);
        return 0;
    }
    return fr_error_set(error,
                        "plugin %s was built for plugin ABI %u.%u, but this fleetroute has plugin "
                        "ABI %u.%u: install the matching version of the plugin or rebuild it",
                        path, major, minor, FLEETROUTE_PLUGIN_ABI_MAJOR,
                        FLEETROUTE_PLUGIN_ABI_MINOR);
}

/* The options of a plugin whose struct fr_option has option_size bytes, with the NULL name at the
 * end. NULL if there are none. */
static struct fr_option *loader_copy_options(const void *options, size_t option_size)
{
    size_t known = option_size < sizeof(struct fr_option) ? option_size : sizeof(struct fr_option);
    struct fr_option *copy;

    if (options == NULL)
        return NULL;
    copy = fr_calloc(OPTIONS_MAX + 1, sizeof *copy);
    for (size_t i = 0; i < OPTIONS_MAX; i++) {
        memcpy(&copy[i], (const char *)options + i * option_size, known);
        if (copy[i].name == NULL)
            break;
    }
    copy[OPTIONS_MAX].name = NULL;
    return copy;
}

/* The descriptor in `size` bytes, zeroed where the original is shorter. */
static struct header *loader_copy(const struct header *original, size_t size)
{
    struct loaded *entry;

    for (entry = loaded_list; entry != NULL; entry = entry->next)
        if (entry->original == original)
            return entry->copy;
    entry = fr_calloc(1, sizeof *entry);
    entry->original = original;
    entry->copy = fr_calloc(1, size);
    memcpy(entry->copy, original, original->size < size ? original->size : size);
    entry->copy->options = loader_copy_options(entry->copy->options, original->option_size);
    entry->next = loaded_list;
    loaded_list = entry;
    return entry->copy;
}

/* Load the shared object, and copy the descriptor that it exports as `symbol` into `size` bytes.
 * *path is the path tried; the caller frees it. */
static void *loader_load(const char *name, const char *directory, const char *symbol, size_t size,
                         char **path, struct fr_error *error)
{
    const struct header *found;
    void *handle;

    *path = strchr(name, '/') != NULL ? fr_strdup(name) : fr_asprintf("%s/%s.so", directory, name);
    if (strchr(name, '/') == NULL && access(*path, F_OK) != 0) {
        fr_plugin_missing(name, directory, error);
        return NULL;
    }
    handle = dlopen(*path, RTLD_NOW | RTLD_LOCAL);
    if (handle == NULL) {
        fr_error_set(error, "cannot load plugin \"%s\": %s", name, dlerror());
        return NULL;
    }
    found = dlsym(handle, symbol);
    if (found == NULL) {
        fr_error_set(error, "%s is not a fleetroute %s: it has no symbol %s", *path,
                     strcmp(symbol, FR_PLUGIN_SYMBOL) == 0 ? "plugin" : "source plugin", symbol);
        dlclose(handle);
        return NULL;
    }
    return loader_check_abi(found, *path, error) == 0 ? loader_copy(found, size) : NULL;
}

const struct fr_plugin *fr_plugin_load(const char *name, const char *directory,
                                       struct fr_error *error)
{
    char *path;
    struct fr_plugin *plugin =
        loader_load(name, directory, FR_PLUGIN_SYMBOL, sizeof *plugin, &path, error);

    if (plugin != NULL && (plugin->name == NULL || plugin->open == NULL ||
                           plugin->deliver == NULL || plugin->close == NULL)) {
        fr_error_set(error, "plugin %s has no name, open(), deliver() or close()", path);
        plugin = NULL;
    }
    free(path);
    return plugin;
}

const struct fr_source_plugin *fr_source_plugin_load(const char *name, const char *directory,
                                                     struct fr_error *error)
{
    char *path;
    struct fr_source_plugin *plugin =
        loader_load(name, directory, FR_SOURCE_SYMBOL, sizeof *plugin, &path, error);

    if (plugin != NULL && (plugin->name == NULL || plugin->open == NULL || plugin->stored == NULL ||
                           plugin->close == NULL)) {
        fr_error_set(error, "source plugin %s has no name, open(), stored() or close()", path);
        plugin = NULL;
    }
    free(path);
    return plugin;
}
