/*
 * What yaml_edit.c and yaml_edit_file.c share: the edit.
 */
#ifndef FR_YAML_EDIT_STATE_H
#define FR_YAML_EDIT_STATE_H

#include <sys/stat.h>

#include "config/yaml_tree.h"
#include "util/buffer.h"

#define YAML_EDIT_ADOPTED_MAX 16

struct fr_yaml_edit {
    char *path; /* without symbolic links */
    bool exists;
    struct stat file;
    struct fr_buffer before; /* the file when it was read */
    struct fr_buffer text;
    struct fr_yaml *root;
    char *adopted[YAML_EDIT_ADOPTED_MAX];
    size_t adopted_count;
};

#endif
