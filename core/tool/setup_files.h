/* Changes of fleetroute.yaml and routing.yaml by the steps of setup. Main thread. */
#ifndef FR_SETUP_FILES_H
#define FR_SETUP_FILES_H

#include "tool/setup.h"

/* Set one key of a section of fleetroute.yaml to a text, with the file checked and replaced at once.
 * NULL removes the key. A section of the owner is not changed: the error has the lines to change.
 * Returns 0, or -1 with `error` set. */
int fr_setup_put(struct fr_setup_env *env, const char *section, const char *key, const char *text,
                 struct fr_error *error);
/* The same with a value in YAML; and for a whole section. */
int fr_setup_put_yaml(struct fr_setup_env *env, const char *section, const char *key,
                      const char *value, struct fr_error *error);
int fr_setup_set_yaml(struct fr_setup_env *env, const char *section, const char *value,
                      struct fr_error *error);
/* Set a section of routing.yaml. */
int fr_setup_set_routing(struct fr_setup_env *env, const char *section, const char *value,
                         struct fr_error *error);
/* Set `records:` and `fields:` of routing.yaml with one replacement of the file: after a kill, both
 * are set or none is. If only `fields:` is a section of the owner, `records:` is set, and the result
 * is -1. */
int fr_setup_set_routes(struct fr_setup_env *env, const char *records, const char *fields,
                        struct fr_error *error);
/* The kind of a section of fleetroute.yaml or, with `is_routing`, of routing.yaml. The content of the
 * package counts as empty. */
enum fr_yaml_section fr_setup_section(struct fr_setup_env *env, bool is_routing,
                                      const char *section);
/* Read routing.yaml with the sinks of fleetroute.yaml. The caller releases it. NULL: `error` has the
 * first mistake. */
struct fr_routing *fr_setup_routing(struct fr_setup_env *env, struct fr_error *error);

#endif
