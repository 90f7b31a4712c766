#include "tool/check_unit.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "util/memory.h"

#define LINE_SIZE 4096

/* From the lowest to the highest precedence. */
static const char *const unit_folders[] = {
    "/usr/lib/systemd/system", "/lib/systemd/system", "/usr/local/lib/systemd/system",
    "/run/systemd/system",     "/etc/systemd/system",
};

#define UNIT_FOLDERS (sizeof unit_folders / sizeof *unit_folders)

/* ---- settings -------------------------------------------------------------------- */

static bool unit_is_true(const char *value)
{
    return strcmp(value, "yes") == 0 || strcmp(value, "true") == 0 || strcmp(value, "on") == 0 ||
           strcmp(value, "1") == 0;
}

/* Add each path of a list. `base` is the folder of relative paths. An empty list removes what
 * ReadWritePaths= named before. */
static void unit_add_paths(struct fr_check_unit *unit, char *list, const char *base)
{
    char *rest = NULL;

    for (char *word = strtok_r(list, " \t", &rest); word != NULL;
         word = strtok_r(NULL, " \t", &rest)) {
        word += strspn(word, "-+");
        if (unit->writable_count < FR_CHECK_UNIT_PATHS)
            unit->writable[unit->writable_count++] =
                word[0] == '/' ? fr_strdup(word) : fr_asprintf("%s/%s", base, word);
    }
}

static void unit_set_user(struct fr_check_unit *unit, const char *value)
{
    free(unit->user);
    unit->user = value[0] != '\0' && strcmp(value, "root") != 0 ? fr_strdup(value) : NULL;
}

static void unit_set(struct fr_check_unit *unit, const char *key, char *value)
{
    if (strcmp(key, "User") == 0)
        unit_set_user(unit, value);
    else if (strcmp(key, "PrivateTmp") == 0)
        unit->private_tmp = unit_is_true(value) || strcmp(value, "disconnected") == 0;
    else if (strcmp(key, "ProtectHome") == 0) {
        unit->hides_home = unit_is_true(value) || strcmp(value, "tmpfs") == 0;
        unit->home_read_only = strcmp(value, "read-only") == 0;
    } else if (strcmp(key, "ProtectSystem") == 0)
        unit->strict = strcmp(value, "strict") == 0;
    else if (strcmp(key, "AmbientCapabilities") == 0)
        unit->reads_all = strstr(value, "CAP_DAC_READ_SEARCH") != NULL;
    else if (strcmp(key, "ReadWritePaths") == 0)
        unit_add_paths(unit, value, "");
    else if (strcmp(key, "StateDirectory") == 0)
        unit_add_paths(unit, value, "/var/lib");
    else if (strcmp(key, "RuntimeDirectory") == 0)
        unit_add_paths(unit, value, "/run");
    else if (strcmp(key, "LogsDirectory") == 0)
        unit_add_paths(unit, value, "/var/log");
    else if (strcmp(key, "CacheDirectory") == 0)
        unit_add_paths(unit, value, "/var/cache");
}

/* ---- files ----------------------------------------------------------------------- */

static void unit_read_line(struct fr_check_unit *unit, char *line, bool *in_service)
{
    char *value;

    line[strcspn(line, "\r\n")] = '\0';
    line += strspn(line, " \t");
    if (line[0] == '[')
        *in_service = strcmp(line, "[Service]") == 0;
    value = strchr(line, '=');
    if (!*in_service || line[0] == '#' || line[0] == ';' || value == NULL)
        return;
    *value++ = '\0';
    for (char *end = value + strlen(value); end > value && strchr(" \t", end[-1]) != NULL;)
        *--end = '\0';
    unit_set(unit, line, value + strspn(value, " \t"));
}

static int unit_add_file(struct fr_check_unit *unit, const char *path)
{
    FILE *file = fopen(path, "re");
    bool in_service = false;
    char line[LINE_SIZE];

    if (file == NULL)
        return -1;
    while (fgets(line, sizeof line, file) != NULL)
        unit_read_line(unit, line, &in_service);
    fclose(file);
    return 0;
}

static int unit_is_drop_in(const struct dirent *entry)
{
    size_t len = strlen(entry->d_name);

    return len > 5 && strcmp(entry->d_name + len - 5, ".conf") == 0;
}

static void unit_add_drop_ins(struct fr_check_unit *unit, const char *folder)
{
    struct dirent **entries;
    int count = scandir(folder, &entries, unit_is_drop_in, alphasort);

    for (int i = 0; i < count; i++) {
        char *path = fr_asprintf("%s/%s", folder, entries[i]->d_name);

        unit_add_file(unit, path);
        free(path);
        free(entries[i]);
    }
    if (count >= 0)
        free(entries);
}

int fr_check_unit_read(struct fr_check_unit *unit, const char *path, struct fr_error *error)
{
    *unit = (struct fr_check_unit){0};
    if (unit_add_file(unit, path) == 0)
        return 0;
    return fr_error_set(error, "cannot read the unit %s: %s", path, strerror(errno));
}

bool fr_check_unit_find(struct fr_check_unit *unit, const char *name)
{
    bool found = false;

    *unit = (struct fr_check_unit){0};
    if (access("/run/systemd/system", F_OK) != 0)
        return false;
    for (size_t i = UNIT_FOLDERS; i > 0 && !found; i--) {
        char *path = fr_asprintf("%s/%s", unit_folders[i - 1], name);

        found = unit_add_file(unit, path) == 0;
        free(path);
    }
    for (size_t i = 0; found && i < UNIT_FOLDERS; i++) {
        char *folder = fr_asprintf("%s/%s.d", unit_folders[i], name);

        unit_add_drop_ins(unit, folder);
        free(folder);
    }
    return found;
}

void fr_check_unit_free(struct fr_check_unit *unit)
{
    free(unit->user);
    for (size_t i = 0; i < unit->writable_count; i++)
        free(unit->writable[i]);
    *unit = (struct fr_check_unit){0};
}

/* ---- paths ----------------------------------------------------------------------- */

bool fr_path_is_below(const char *path, const char *folder)
{
    size_t len = strlen(folder);

    return strncmp(path, folder, len) == 0 && (path[len] == '\0' || path[len] == '/');
}

static bool unit_is_home(const char *path)
{
    return fr_path_is_below(path, "/home") || fr_path_is_below(path, "/root") ||
           fr_path_is_below(path, "/run/user");
}

bool fr_check_unit_sees(const struct fr_check_unit *unit, const char *path, const char **why)
{
    *why = NULL;
    if (unit->private_tmp && (fr_path_is_below(path, "/tmp") || fr_path_is_below(path, "/var/tmp")))
        *why = "PrivateTmp";
    else if (unit->hides_home && unit_is_home(path))
        *why = "ProtectHome";
    return *why == NULL;
}

bool fr_check_unit_writes(const struct fr_check_unit *unit, const char *path, const char **why)
{
    *why = NULL;
    for (size_t i = 0; i < unit->writable_count; i++)
        if (fr_path_is_below(path, unit->writable[i]))
            return true;
    if (unit->home_read_only && unit_is_home(path))
        *why = "ProtectHome=read-only";
    else if (unit->strict)
        *why = "ProtectSystem=strict";
    return *why == NULL;
}
