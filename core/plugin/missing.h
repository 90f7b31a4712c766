/* missing.h - the message about a plugin that is not installed. Main thread. */
#ifndef FR_MISSING_H
#define FR_MISSING_H

#include "util/error.h"

/* Report that `directory` has no plugin `name` (a name, not a path): the Debian package to install,
 * if the plugin is one of fleetroute's, or the plugin with the nearest name, or the installed ones. */
void fr_plugin_missing(const char *name, const char *directory, struct fr_error *error);

#endif
