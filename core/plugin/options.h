/*
 * The `options:` of one sink or source in fleetroute.yaml, read and checked against the options
 * that its plugin declares (struct fr_option).
 *
 * Read on the main thread; afterwards constant, so any thread may call the getters.
 */
#ifndef FR_OPTIONS_H
#define FR_OPTIONS_H

#include <stdbool.h>

#include "config/yaml_tree.h"
#include "fleetroute/plugin.h"

struct fr_options;

/* Read the options of a sink or source. `plugin` is the name of its plugin, used in messages only;
 * `declared` are the options of the plugin, up to a NULL name, or NULL: none. `node` is the
 * `options:` map or NULL, `instance` the map of the sink or source. Both maps, `declared` and
 * file->path must outlive the result. Errors go to the diagnostics of the file. Never NULL; the
 * caller frees the result. */
struct fr_options *fr_options_read(const char *plugin, const struct fr_option *declared,
                                   const struct fr_yaml_file *file, const struct fr_yaml *node,
                                   const struct fr_yaml *instance);

/* Whether each required option has a value, so that the plugin can check the values. An option whose
 * value has a mistake counts; it has its default value. */
bool fr_options_complete(const struct fr_options *options);

/* Free the options. NULL is ignored. */
void fr_options_free(struct fr_options *options);

/* The functions text, number, each and config_error of struct fr_host and struct fr_source_host.
 * For an option that the plugin does not declare they return NULL, 0 and 0, and report at the
 * `options:` map. Texts hold as long as the options. */
const char *fr_options_text(const struct fr_options *options, const char *name);
int64_t fr_options_number(const struct fr_options *options, const char *name);
int fr_options_each(const struct fr_options *options, const char *name,
                    int (*each)(const char *key, const char *text, void *context), void *context);
void fr_options_config_error(struct fr_options *options, const char *name, const char *key,
                             struct fr_diagnostics *diagnostics, const char *format, va_list ap)
    __attribute__((format(printf, 5, 0)));

/* The value of the FR_OPTION_PATH option with this index among those that are set; NULL: there are
 * no more. The daemon may write below these paths after it has dropped its privileges. */
const char *fr_options_path(const struct fr_options *options, size_t index);

#endif
