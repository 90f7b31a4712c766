/* options.h - a sink's options, checked against what its plugin declares. */
#ifndef FR_OPTIONS_H
#define FR_OPTIONS_H

#include "config/yaml_tree.h"
#include "fleetroute/plugin.h"

struct fr_options;

/* Read the options of one sink or source. `declared` is what the plugin of that name declares;
 * `node` is its `options:` map or NULL; it and the file's path must outlive the result. Mistakes go to the file's diagnostics; always returns options,
 * which the caller frees. */
struct fr_options *fr_options_read(const char *plugin, const struct fr_option *declared,
                                   const struct fr_yaml_file *file, const struct fr_yaml *node,
                                   const struct fr_yaml *sink);
void fr_options_free(struct fr_options *options);

/* What struct fr_host's text, number, each and wrong do. An option that the plugin does not
 * declare gives NULL, 0 or nothing. */
const char *fr_options_text(const struct fr_options *options, const char *name);
int64_t fr_options_number(const struct fr_options *options, const char *name);
int fr_options_each(const struct fr_options *options, const char *name,
                    int (*each)(const char *key, const char *text, void *context), void *context);
/* The place-th path that its plugin writes to, or NULL: there are no more. */
const char *fr_options_path(const struct fr_options *options, size_t place);
void fr_options_wrong(struct fr_options *options, const char *name, const char *key,
                      struct fr_diagnostics *diagnostics, const char *format, va_list ap)
    __attribute__((format(printf, 5, 0)));

#endif
