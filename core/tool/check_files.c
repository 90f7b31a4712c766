#include "tool/check_files.h"

#include <errno.h>
#include <grp.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tool/check_access.h"
#include "tool/check_unit.h"
#include "util/buffer.h"
#include "util/memory.h"

#define UNIT_NAME "fleetroute.service"
#define CHECK_CREATE "; create the file, or correct the path"

enum check_use {
    CHECK_READ_AT_START, /* with the privileges of the start, or through the key reader */
    CHECK_READ,          /* as the user */
    CHECK_READ_AGAIN,    /* as the user, at a reload only */
    CHECK_WRITE,         /* as the user: files below this folder */
};

/* A file of the configuration. */
struct check_file {
    char *path; /* without symbolic links, if it exists; owned */
    const char *what;
    const struct fr_yaml *node; /* the position of messages; NULL: the whole file */
    enum check_use use;
};

struct check_run {
    struct fr_setup *setup;
    struct fr_yaml_file file;
    struct check_file *files;
    size_t count;
    bool has_unit, has_user;
    struct fr_check_unit unit;
    struct fr_user user;
};

/* ---- the list of files ----------------------------------------------------------- */

/* Add a path, if there is one. A relative path of a missing file has been reported already. */
static void check_add(struct check_run *run, const char *path, const char *what,
                      const struct fr_yaml *node, enum check_use use)
{
    char *resolved = path != NULL ? realpath(path, NULL) : NULL;

    if (path == NULL || (resolved == NULL && path[0] != '/'))
        return;
    run->files = fr_realloc(run->files, run->count + 1, sizeof *run->files);
    run->files[run->count++] = (struct check_file){
        resolved != NULL ? fr_strdup(resolved) : fr_strdup(path), what, node, use};
    free(resolved);
}

/* A path below which a plugin writes: its folder is before the first pattern. */
static void check_add_written(struct check_run *run, const char *path, const struct fr_yaml *node,
                              const char *what)
{
    char *folder = fr_strndup(path, strcspn(path, "%"));
    char *slash = strrchr(folder, '/');

    if (slash != NULL && slash != folder)
        *slash = '\0';
    check_add(run, folder, what, node, CHECK_WRITE);
    free(folder);
}

static bool check_is_written(const struct fr_sink *sink, const char *path)
{
    const char *written;

    for (size_t i = 0; sink != NULL && (written = fr_sink_path(sink, i)) != NULL; i++)
        if (strcmp(written, path) == 0)
            return true;
    return false;
}

static bool check_ends_in(const char *option, const char *end)
{
    size_t len = strlen(option), end_len = strlen(end);

    return len > end_len && strcmp(option + len - end_len, end) == 0;
}

/* The options of a sink or source. An absolute path of a file that exists, or the path in an option
 * NAME_file or in a map NAME_files, is a file that the plugin reads. `sink`: NULL: a source.
 * `all_files`: these are the members of a map NAME_files. */
static void check_add_options(struct check_run *run, const struct fr_yaml *options,
                              const struct fr_sink *sink, bool all_files)
{
    for (size_t i = 0; options != NULL && options->kind == FR_YAML_MAP && i < options->count; i++) {
        const struct fr_yaml *node = options->items[i];
        const char *name = options->keys[i]->text;

        if (node->kind == FR_YAML_MAP)
            check_add_options(run, node, NULL, check_ends_in(name, "_files"));
        else if (node->kind != FR_YAML_TEXT || node->text[0] != '/')
            continue;
        else if (check_is_written(sink, node->text))
            check_add_written(run, node->text, node, name);
        else if (all_files || check_ends_in(name, "_file") || access(node->text, F_OK) == 0)
            check_add(run, node->text, name, node, CHECK_READ);
    }
}

static void check_list_files(struct check_run *run)
{
    const struct fr_server_config *c = run->setup->server;
    const struct fr_yaml *root = c->root, *tls = fr_yaml_get(root, "tls");
    const struct fr_yaml *journal = fr_yaml_get(root, "journal");

    check_add(run, c->path, "the configuration", NULL, CHECK_READ_AGAIN);
    check_add(run, c->routing, "routing", fr_yaml_get(root, "routing"), CHECK_READ_AGAIN);
    check_add(run, c->certificate, "certificate", fr_yaml_get(tls, "certificate"),
              CHECK_READ_AT_START);
    check_add(run, c->key, "key", fr_yaml_get(tls, "key"), CHECK_READ_AT_START);
    check_add(run, c->vehicle_ca, "vehicle_ca", fr_yaml_get(tls, "vehicle_ca"),
              CHECK_READ_AT_START);
    check_add(run, c->crl, "crl", fr_yaml_get(tls, "crl"), CHECK_READ_AT_START);
    check_add(run, c->plugin_dir, "plugin_dir", fr_yaml_get(root, "plugin_dir"),
              CHECK_READ_AT_START);
    if (c->admin_on) {
        const struct fr_yaml *admin = fr_yaml_get(root, "admin");

        check_add(run, c->admin_token_file, "token_file", fr_yaml_get(admin, "token_file"),
                  CHECK_READ);
        check_add(run, c->admin_certificate, "certificate", fr_yaml_get(admin, "tls"),
                  CHECK_READ_AT_START);
        check_add(run, c->admin_key, "key", fr_yaml_get(admin, "tls"), CHECK_READ_AT_START);
    }
    check_add(run, c->state, "state", fr_yaml_get(root, "state"), CHECK_WRITE);
    if (c->journal_on && fr_yaml_get(journal, "path") != NULL)
        check_add(run, c->journal_path, "path", fr_yaml_get(journal, "path"), CHECK_WRITE);
    for (size_t i = 0; i < c->sink_count; i++)
        check_add_options(run, c->sinks[i].options, run->setup->sinks[i], false);
    for (size_t i = 0; i < c->source_count; i++)
        check_add_options(run, c->sources[i].options, NULL, false);
}

/* ---- messages -------------------------------------------------------------------- */

static void check_report(struct check_run *run, const struct check_file *file,
                         enum fr_severity severity, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
static void check_report(struct check_run *run, const struct check_file *file,
                         enum fr_severity severity, const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    fr_vdiagnose(&run->setup->diagnostics, severity, run->file.path,
                 file->node != NULL ? file->node->line : 0,
                 file->node != NULL ? file->node->column : 0, format, ap);
    va_end(ap);
}

/* Append a path as a word of the shell. */
static void check_put_word(struct fr_buffer *out, const char *path)
{
    if (path[strspn(path, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-")] ==
        '\0') {
        fr_buffer_text(out, path);
        return;
    }
    fr_buffer_byte(out, '\'');
    for (; *path != '\0'; path++)
        if (*path == '\'')
            fr_buffer_text(out, "'\\''");
        else
            fr_buffer_byte(out, (uint8_t)((unsigned char)*path < 0x20 ? '?' : *path));
    fr_buffer_byte(out, '\'');
}

/* The commands that permit the access which was refused. */
static void check_put_remedy(struct fr_buffer *out, const struct check_run *run,
                             const struct fr_check_access *access)
{
    const struct group *group = getgrgid(run->user.gid);
    const char *group_name = group != NULL ? group->gr_name : run->user.name;
    char *path =
        fr_strndup(access->path, access->refused != 0 ? access->refused : strlen(access->path));

    if (access->refused != 0) {
        fr_buffer_printf(out, "chgrp %s ", group_name);
        check_put_word(out, path);
        fr_buffer_text(out, " && chmod g+x ");
    } else if (access->write) {
        fr_buffer_printf(out, "install -d -m 750 -o %s -g %s ", run->user.name, group_name);
    } else {
        fr_buffer_printf(out, "chown root:%s ", group_name);
        check_put_word(out, path);
        fr_buffer_text(out, " && chmod 640 ");
    }
    check_put_word(out, path);
    free(path);
}

static void check_report_access(struct check_run *run, const struct check_file *file,
                                const struct fr_check_access *access)
{
    struct fr_buffer remedy = {0};

    if (access->code == EACCES || access->code == EPERM) {
        check_put_remedy(&remedy, run, access);
        check_report(
            run, file, file->use == CHECK_READ_AGAIN ? FR_SEVERITY_WARNING : FR_SEVERITY_ERROR,
            "%s: the user %s cannot %s %s%s: %s", file->what, run->user.name,
            access->write ? "write in" : "read", file->path,
            file->use == CHECK_READ_AGAIN ? ", so a reload fails" : "", fr_buffer_string(&remedy));
    } else if (access->code != 0)
        check_report(run, file, FR_SEVERITY_ERROR, "%s: %s: %s%s", file->what, file->path,
                     strerror(access->code), access->code == ENOENT ? CHECK_CREATE : "");
    fr_buffer_free(&remedy);
}

/* ---- the tests ------------------------------------------------------------------- */

/* False: the unit keeps the daemon from this file, which is reported. */
static bool check_under_unit(struct check_run *run, const struct check_file *file)
{
    const char *why;

    if (!run->has_unit)
        return true;
    if (!fr_check_unit_sees(&run->unit, file->path, &why))
        check_report(run, file, FR_SEVERITY_ERROR,
                     "%s: the daemon does not see %s, because " UNIT_NAME " has %s=; %s",
                     file->what, file->path, why,
                     file->use == CHECK_WRITE ? "use a folder below /var/lib/fleetroute"
                                              : "move it to /etc/fleetroute");
    else if (file->use == CHECK_WRITE && !fr_check_unit_writes(&run->unit, file->path, &why))
        check_report(run, file, FR_SEVERITY_ERROR,
                     "%s: the daemon cannot write in %s, because " UNIT_NAME
                     " has %s; use a folder "
                     "below /var/lib/fleetroute, or run `systemctl edit fleetroute` and add "
                     "ReadWritePaths=%s below [Service]",
                     file->what, file->path, why, file->path);
    else
        return true;
    return false;
}

/* Whether permissions of the user decide on a file. systemd makes the folders of the unit. */
static bool check_needs_permission(const struct check_run *run, const struct check_file *file)
{
    if (file->use == CHECK_READ_AT_START)
        return run->has_unit && !run->unit.reads_all;
    if (file->use != CHECK_WRITE || !run->has_unit || access(file->path, F_OK) == 0)
        return true;
    for (size_t i = 0; i < run->unit.writable_count; i++)
        if (strcmp(run->unit.writable[i], file->path) == 0)
            return false;
    return true;
}

static void check_as_user(struct check_run *run, const bool *permitted)
{
    struct fr_check_access *accesses = fr_calloc(run->count, sizeof *accesses);
    size_t *indexes = fr_calloc(run->count, sizeof *indexes), count = 0;
    struct fr_error error;

    for (size_t i = 0; i < run->count; i++)
        if (permitted[i] && check_needs_permission(run, &run->files[i])) {
            accesses[count].path = run->files[i].path;
            accesses[count].write = run->files[i].use == CHECK_WRITE;
            indexes[count++] = i;
        }
    if (fr_check_access(accesses, count, &run->user, &error) != 0)
        fr_diagnose(&run->setup->diagnostics, FR_SEVERITY_WARNING, run->file.path, 0, 0, "%s",
                    error.text);
    else
        for (size_t i = 0; i < count; i++)
            check_report_access(run, &run->files[indexes[i]], &accesses[i]);
    free(accesses);
    free(indexes);
}

/* Without a user to assume: report the files of plugins that do not exist. */
static void check_missing(struct check_run *run, const bool *permitted)
{
    for (size_t i = 0; i < run->count; i++)
        if (permitted[i] && run->files[i].use == CHECK_READ &&
            access(run->files[i].path, F_OK) != 0 && errno == ENOENT)
            check_report(run, &run->files[i], FR_SEVERITY_ERROR, "%s: %s: %s" CHECK_CREATE,
                         run->files[i].what, run->files[i].path, strerror(ENOENT));
}

/* The user that the daemon will have. Without a unit, only root changes to the user of `user:`; a
 * developer may check a configuration whose user this machine has not. */
static void check_find_user(struct check_run *run)
{
    const struct fr_server_config *c = run->setup->server;
    const char *name = run->has_unit && run->unit.user != NULL ? run->unit.user : c->user;
    const struct fr_yaml *node = fr_yaml_get(c->root, "user");
    struct fr_error error;

    run->has_user = name != NULL && fr_user_find(name, &run->user, &error) == 0;
    if (name != NULL && !run->has_user && (run->has_unit || geteuid() == 0))
        fr_yaml_config_error(&run->file, node != NULL ? node : c->root, "%s", error.text);
}

static void check_find_unit(struct check_run *run, const char *unit, bool is_default)
{
    struct fr_error error;

    if (unit != NULL) {
        run->has_unit = fr_check_unit_read(&run->unit, unit, &error) == 0;
        if (!run->has_unit)
            fr_diagnose(&run->setup->diagnostics, FR_SEVERITY_ERROR, unit, 0, 0, "%s", error.text);
    } else
        run->has_unit = is_default && fr_check_unit_find(&run->unit, UNIT_NAME);
}

void fr_check_files(struct fr_setup *setup, const char *unit, bool is_default)
{
    struct check_run run = {.setup = setup, .file = {setup->server->path, &setup->diagnostics}};
    bool *permitted;

    check_find_unit(&run, unit, is_default);
    check_find_user(&run);
    check_list_files(&run);
    permitted = fr_calloc(run.count, sizeof *permitted);
    for (size_t i = 0; i < run.count; i++)
        permitted[i] = check_under_unit(&run, &run.files[i]);
    if (run.has_user)
        check_as_user(&run, permitted);
    else
        check_missing(&run, permitted);
    free(permitted);
    for (size_t i = 0; i < run.count; i++)
        free(run.files[i].path);
    free(run.files);
    fr_check_unit_free(&run.unit);
}
