#include "tool/setup_files.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config/yaml_edit_file.h"
#include "privsep/privileges.h"
#include "util/memory.h"

/* Values of the files in the package, which are examples. */
static const char *const setup_packaged[][3] = {
    {"fleetroute.yaml", "listen", "{address: 0.0.0.0, port: 443}"},
    {"fleetroute.yaml", "tls",
     "{certificate: /etc/fleetroute/tls/server.pem, key: /etc/fleetroute/tls/server.key, "
     "vehicle_ca: /etc/fleetroute/tls/vehicle-ca.pem}"},
    {"fleetroute.yaml", "sinks",
     "{archive: {plugin: file, options: {path: "
     "\"/var/lib/fleetroute/archive/%Y-%m-%d/%{type}.jsonl\"}}}"},
    {"routing.yaml", "records", "[{type: \"*\", to: archive}]"},
};

static const char *files_routing_path(const struct fr_setup_env *env)
{
    return env->config != NULL ? env->config->routing : NULL;
}

/* Open one of the two files. NULL: `error` is set. */
static struct fr_yaml_edit *files_open(struct fr_setup_env *env, bool is_routing,
                                       struct fr_error *error)
{
    const char *path = is_routing ? files_routing_path(env) : env->path;
    const char *name = is_routing ? "routing.yaml" : "fleetroute.yaml";
    struct fr_yaml_edit *edit;

    if (path == NULL) {
        fr_error_set(error, "there is no %s", env->path);
        return NULL;
    }
    edit = fr_yaml_edit_open(path, error);
    for (size_t i = 0; edit != NULL && i < sizeof setup_packaged / sizeof *setup_packaged; i++)
        if (strcmp(setup_packaged[i][0], name) == 0)
            fr_yaml_edit_adopt(edit, setup_packaged[i][1], setup_packaged[i][2]);
    return edit;
}

enum fr_yaml_section fr_setup_section(struct fr_setup_env *env, bool is_routing,
                                      const char *section)
{
    struct fr_error error;
    const char *path = is_routing ? files_routing_path(env) : env->path;
    struct fr_yaml_edit *edit = path != NULL ? fr_yaml_edit_open(path, &error) : NULL;
    enum fr_yaml_section kind = FR_YAML_SECTION_ABSENT;

    if (edit != NULL)
        kind = fr_yaml_edit_section(edit, section);
    fr_yaml_edit_free(edit);
    if (kind != FR_YAML_SECTION_FOREIGN)
        return kind;
    edit = files_open(env, is_routing, &error);
    if (edit != NULL && fr_yaml_edit_section(edit, section) == FR_YAML_SECTION_OWNED)
        kind = FR_YAML_SECTION_EMPTY; /* adopted: the package's */
    fr_yaml_edit_free(edit);
    return kind;
}

/* ---- checks of a new text ----------------------------------------------------------- */

static int files_first_error(const struct fr_diagnostics *diagnostics, struct fr_error *error)
{
    for (size_t i = 0; i < diagnostics->count; i++)
        if (diagnostics->list[i].severity == FR_SEVERITY_ERROR)
            return fr_error_set(error, "%s:%d:%d: %s", diagnostics->list[i].file,
                                diagnostics->list[i].line, diagnostics->list[i].column,
                                diagnostics->list[i].text);
    return fr_error_set(error, "the configuration cannot be read");
}

/* A new fleetroute.yaml must not have more errors than the present one: before the last step some
 * files are missing. */
static int files_check_server(const char *path, void *ctx, struct fr_error *error)
{
    const struct fr_setup_env *env = ctx;
    struct fr_diagnostics diagnostics = {0};
    struct fr_server_config *config = fr_server_config_load(path, &diagnostics);
    size_t allowed = env->config != NULL ? env->config_errors : SIZE_MAX;
    int status = 0;

    if (config == NULL || diagnostics.errors > allowed)
        status = files_first_error(&diagnostics, error);
    fr_server_config_unref(config);
    fr_diagnostics_free(&diagnostics);
    return status;
}

static struct fr_routing *files_load_routing(const struct fr_setup_env *env, const char *path,
                                             struct fr_error *error)
{
    const struct fr_server_config *config = env->config;
    const char **sinks = fr_calloc(config->sink_count + 1, sizeof *sinks);
    struct fr_diagnostics diagnostics = {0};
    struct fr_routing *routing;

    for (size_t i = 0; i < config->sink_count; i++)
        sinks[i] = config->sinks[i].name;
    routing = fr_routing_load(path, sinks, config->sink_count, &diagnostics);
    if (routing == NULL)
        files_first_error(&diagnostics, error);
    fr_diagnostics_free(&diagnostics);
    free(sinks);
    return routing;
}

static int files_check_routing(const char *path, void *ctx, struct fr_error *error)
{
    struct fr_routing *routing = files_load_routing(ctx, path, error);

    fr_routing_unref(routing);
    return routing != NULL ? 0 : -1;
}

struct fr_routing *fr_setup_routing(struct fr_setup_env *env, struct fr_error *error)
{
    if (env->config == NULL) {
        fr_error_set(error, "there is no %s", env->path);
        return NULL;
    }
    return files_load_routing(env, env->config->routing, error);
}

/* ---- changes -------------------------------------------------------------------------- */

/* The group of the service user reads the files. */
static const struct fr_file_owner *files_owner(const struct fr_setup_env *env,
                                               struct fr_file_owner *owner)
{
    const char *name =
        env->config != NULL && env->config->user != NULL ? env->config->user : "fleetroute";
    struct fr_error error;
    struct fr_user user;

    if (geteuid() != 0 || fr_user_find(name, &user, &error) != 0)
        return NULL;
    *owner = (struct fr_file_owner){0, user.gid};
    return owner;
}

static int files_save(struct fr_setup_env *env, struct fr_yaml_edit *edit, bool is_routing,
                      struct fr_error *error)
{
    struct fr_file_owner owner;
    int status =
        fr_yaml_edit_save(edit, 0640, files_owner(env, &owner),
                          is_routing ? files_check_routing : files_check_server, env, error);

    if (status == 0)
        fr_setup_reload(env);
    return status;
}

/* A section of the owner: print the lines to change. */
static int files_refuse(const char *path, const char *section, const char *key, const char *value,
                        struct fr_error *error)
{
    struct fr_buffer map = {0}, lines = {0};

    if (key != NULL)
        fr_buffer_printf(&map, "%s: %s", key, value);
    else
        fr_buffer_text(&map, value);
    fr_yaml_section_text(&lines, section, fr_buffer_string(&map));
    printf("\nChange this in %s:\n\n%s\n", path, fr_buffer_string(&lines));
    fr_buffer_free(&map);
    fr_buffer_free(&lines);
    return fr_error_set(error,
                        "%s has a section `%s:` of yours, which setup does not change; write the "
                        "lines above into it, or put the line \"%s\" directly above the section, "
                        "and run `fleetroute setup` again",
                        path, section, FR_YAML_EDIT_MARK);
}

/* Whether the owner's section has the value already. */
static bool files_has(const struct fr_yaml_edit *edit, const char *section, const char *key,
                      const char *value)
{
    const struct fr_yaml *present = fr_yaml_edit_value(edit, section);
    struct fr_diagnostics diagnostics = {0};
    struct fr_yaml_file file = {"value", &diagnostics};
    struct fr_yaml *wanted = value != NULL ? fr_yaml_parse(&file, value, strlen(value)) : NULL;
    bool equal = fr_yaml_equal(key != NULL ? fr_yaml_get(present, key) : present, wanted);

    fr_yaml_free(wanted);
    fr_diagnostics_free(&diagnostics);
    return equal;
}

/* Change a section of the text; the file at `path` stays. */
static int files_edit(struct fr_yaml_edit *edit, const char *path, const char *section,
                      const char *key, const char *value, struct fr_error *error)
{
    if (files_has(edit, section, key, value))
        return 0;
    if (fr_yaml_edit_section(edit, section) == FR_YAML_SECTION_FOREIGN)
        return files_refuse(path, section, key, value != NULL ? value : "(remove the line)", error);
    return key != NULL ? fr_yaml_edit_put(edit, section, key, value, error)
                       : fr_yaml_edit_set(edit, section, value, error);
}

static int files_change(struct fr_setup_env *env, bool is_routing, const char *section,
                        const char *key, const char *value, struct fr_error *error)
{
    struct fr_yaml_edit *edit = files_open(env, is_routing, error);
    int status;

    if (edit == NULL)
        return -1;
    status = files_edit(edit, is_routing ? files_routing_path(env) : env->path, section, key, value,
                        error);
    if (status == 0)
        status = files_save(env, edit, is_routing, error);
    fr_yaml_edit_free(edit);
    return status;
}

int fr_setup_put_yaml(struct fr_setup_env *env, const char *section, const char *key,
                      const char *value, struct fr_error *error)
{
    return files_change(env, false, section, key, value, error);
}

int fr_setup_set_yaml(struct fr_setup_env *env, const char *section, const char *value,
                      struct fr_error *error)
{
    return files_change(env, false, section, NULL, value, error);
}

int fr_setup_set_routing(struct fr_setup_env *env, const char *section, const char *value,
                         struct fr_error *error)
{
    return files_change(env, true, section, NULL, value, error);
}

int fr_setup_set_routes(struct fr_setup_env *env, const char *records, const char *fields,
                        struct fr_error *error)
{
    struct fr_yaml_edit *edit = files_open(env, true, error);
    int status;

    if (edit == NULL)
        return -1;
    status = files_edit(edit, files_routing_path(env), "records", NULL, records, error);
    if (status == 0) {
        status = files_edit(edit, files_routing_path(env), "fields", NULL, fields, error);
        if (files_save(env, edit, true, error) != 0)
            status = -1;
    }
    fr_yaml_edit_free(edit);
    return status;
}

int fr_setup_put(struct fr_setup_env *env, const char *section, const char *key, const char *text,
                 struct fr_error *error)
{
    struct fr_buffer value = {0};
    int status;

    if (text != NULL)
        fr_yaml_scalar(&value, text);
    status = files_change(env, false, section, key, text != NULL ? fr_buffer_string(&value) : NULL,
                          error);
    fr_buffer_free(&value);
    return status;
}
