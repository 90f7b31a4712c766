#include "admin/web_libraries.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admin/web_content.h"
#include "util/files.h"
#include "util/log.h"
#include "util/memory.h"

#define PATHS_MAX 2 /* a library's file has other names in other releases of Debian */

static const struct library {
    const char *name, *package;
    const char *paths[PATHS_MAX]; /* below the folder; the first that exists is used */
} libraries_known[] = {
    {"chart.js", "libjs-chart.js", {"chart.js/chart.min.js", "chart.js/chart.umd.js"}},
    {"leaflet.js", "libjs-leaflet", {"leaflet/leaflet.min.js", "leaflet/leaflet.js"}},
    {"leaflet.css", "libjs-leaflet", {"leaflet/leaflet.css"}},
    {"images/layers.png", "libjs-leaflet", {"leaflet/images/layers.png"}},
    {"images/layers-2x.png", "libjs-leaflet", {"leaflet/images/layers-2x.png"}},
    {"images/marker-icon.png", "libjs-leaflet", {"leaflet/images/marker-icon.png"}},
    {"images/marker-icon-2x.png", "libjs-leaflet", {"leaflet/images/marker-icon-2x.png"}},
    {"images/marker-shadow.png", "libjs-leaflet", {"leaflet/images/marker-shadow.png"}},
};

#define LIBRARIES (sizeof libraries_known / sizeof *libraries_known)

struct fr_web_libraries {
    struct fr_web_content files[LIBRARIES];
    char *missing[LIBRARIES]; /* texts of `files[].public.missing` */
};

/* Read the file from the first of its paths that exists. Returns 0, or -1 with errno set. */
static int libraries_find(const char *folder, const struct library *library,
                          struct fr_buffer *bytes)
{
    int status = -1;

    for (size_t i = 0; i < PATHS_MAX && library->paths[i] != NULL; i++) {
        char *path = fr_asprintf("%s/%s", folder, library->paths[i]);

        fr_buffer_clear(bytes);
        status = fr_read_file(path, 0, FR_WEB_LIBRARY_MAX, bytes);
        free(path);
        if (status == 0 && bytes->len == 0) {
            errno = ENODATA;
            return -1;
        }
        if (status == 0 || errno != ENOENT)
            break;
    }
    return status;
}

struct fr_web_libraries *fr_web_libraries_read(const char *folder)
{
    struct fr_web_libraries *libraries = fr_calloc(1, sizeof *libraries);
    const char *logged = "";

    for (size_t i = 0; i < LIBRARIES; i++) {
        const struct library *library = &libraries_known[i];
        struct fr_web_content *file = &libraries->files[i];
        const char *why;

        errno = 0;
        if (libraries_find(folder, library, &file->bytes) == 0 &&
            fr_web_content_finish(file, library->name))
            continue;
        why = errno != 0 ? strerror(errno) : "out of memory";
        fr_buffer_free(&file->bytes);
        libraries->missing[i] = fr_asprintf(
            "%s/%s cannot be read: %s; install the package %s and restart fleetrouted\n", folder,
            library->paths[0], why, library->package);
        file->public.missing = libraries->missing[i];
        if (strcmp(logged, library->package) != 0)
            fr_log(FR_LOG_NOTICE,
                   "admin: the pages have no charts or maps: %s/%s: %s; install the package %s",
                   folder, library->paths[0], why, library->package);
        logged = library->package;
    }
    return libraries;
}

void fr_web_libraries_free(struct fr_web_libraries *libraries)
{
    if (libraries == NULL)
        return;
    for (size_t i = 0; i < LIBRARIES; i++) {
        fr_buffer_free(&libraries->files[i].bytes);
        free(libraries->missing[i]);
    }
    free(libraries);
}

const struct fr_http_file *fr_web_library(const struct fr_web_libraries *libraries,
                                          const char *name)
{
    for (size_t i = 0; libraries != NULL && i < LIBRARIES; i++)
        if (strcmp(libraries_known[i].name, name) == 0)
            return &libraries->files[i].public;
    return NULL;
}
