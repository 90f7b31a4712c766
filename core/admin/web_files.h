/*
 * web_files.h - the files of the pages (web/), which are compiled in.
 *
 * Thread of the event loop.
 */
#ifndef FR_WEB_FILES_H
#define FR_WEB_FILES_H

#include "admin/http_types.h"

/* One file as lines, each with its line feed; the last is NULL. */
struct fr_web_source {
    const char *name;
    const char *const *lines;
};

/* The files; the last has a NULL name. The Makefile generates them with web_files.awk. */
extern const struct fr_web_source fr_web_sources[];

/* The file of this name ("base.css"); NULL: there is none. Constant as long as the process. */
const struct fr_http_file *fr_web_file(const char *name);

/* Whether fr_web_file() has a file of this name. Any thread. */
bool fr_web_has_file(const char *name);

#endif
