/*
 * web_libraries.h - the JavaScript libraries of the pages, which Debian packages install:
 * libjs-chart.js and libjs-leaflet.
 *
 * They are read once, before the confinement of the process. Thread of the event loop.
 */
#ifndef FR_WEB_LIBRARIES_H
#define FR_WEB_LIBRARIES_H

#include "admin/http_types.h"

#define FR_WEB_LIBRARIES_FOLDER "/usr/share/javascript" /* of the packages */
#define FR_WEB_LIBRARY_MAX (1 << 20)                    /* bytes of one file */

struct fr_web_libraries;

/* Read the files below `folder` into memory, 360 kB in all. One that is missing, unreadable, empty or
 * too large is logged, and is no error. The caller frees the result. */
struct fr_web_libraries *fr_web_libraries_read(const char *folder);

/* NULL is ignored. */
void fr_web_libraries_free(struct fr_web_libraries *libraries);

/* The file of this name ("chart.js", "images/layers.png"), or with `missing` if it could not be read;
 * NULL: no library has such a file. Valid until fr_web_libraries_free(). */
const struct fr_http_file *fr_web_library(const struct fr_web_libraries *libraries,
                                          const char *name);

#endif
