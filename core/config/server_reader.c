#include "config/server_reader.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "config/yaml_values.h"
#include "privsep/key_reader.h"
#include "util/buffer.h"
#include "util/memory.h"

char *fr_server_resolve(const struct fr_server_reader *r, const char *path)
{
    const char *slash = strrchr(r->config->path, '/');

    if (path[0] == '/' || slash == NULL)
        return fr_strdup(path);
    return fr_asprintf("%.*s/%s", (int)(slash - r->config->path), r->config->path, path);
}

char *fr_server_read_file(struct fr_server_reader *r, const struct fr_yaml *map,
                          const char *section, const char *key, const struct fr_yaml *parent)
{
    const struct fr_yaml *node = fr_yaml_get(map, key);
    const char *text = fr_yaml_text(&r->file, node, key, NULL);
    char *path;
    int fd;

    if (text == NULL || text[0] == '\0') {
        fr_yaml_config_error(&r->file, parent, "`%s:` must have `%s:`", section, key);
        return NULL;
    }
    path = fr_server_resolve(r, text);
    fd = fr_key_reader_open(path);
    if (fd < 0)
        fr_yaml_config_error(&r->file, node, "%s: %s: %s", key, path, strerror(errno));
    else
        close(fd);
    return path;
}

const struct fr_yaml *fr_server_section(struct fr_server_reader *r, const struct fr_yaml *root,
                                        const char *name, const char *const *keys)
{
    const struct fr_yaml *node = fr_yaml_get(root, name);

    if (node == NULL || (node->kind == FR_YAML_TEXT && node->text[0] == '\0'))
        return NULL;
    return fr_yaml_is_map(&r->file, node, name, keys) ? node : NULL;
}

int fr_server_read_word(struct fr_server_reader *r, const struct fr_yaml *node, const char *what,
                        const char *const *words, int default_value)
{
    const char *text = fr_yaml_text(&r->file, node, what, NULL);
    struct fr_buffer all = {0};

    if (text == NULL)
        return default_value;
    for (int i = 0; words[i] != NULL; i++)
        if (strcmp(words[i], text) == 0)
            return i;
    for (int i = 0; words[i] != NULL; i++)
        fr_buffer_printf(&all, "%s%s",
                         i == 0                 ? ""
                         : words[i + 1] != NULL ? ", "
                                                : " or ",
                         words[i]);
    fr_yaml_config_error(&r->file, node, "%s must be %s, not \"%s\"", what, fr_buffer_string(&all),
                         text);
    fr_buffer_free(&all);
    return default_value;
}

bool fr_server_is_off(struct fr_server_reader *r, const struct fr_yaml *node, const char *what)
{
    return node != NULL && node->kind == FR_YAML_TEXT && node->text[0] != '\0' &&
           !fr_yaml_boolean(&r->file, node, what, true);
}
