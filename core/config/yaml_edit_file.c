#include "config/yaml_edit_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config/yaml_edit_state.h"
#include "util/file_remedy.h"
#include "util/files.h"
#include "util/memory.h"

/* A file of an owner is short; a longer one is not edited. */
#define YAML_EDIT_FILE_MAX (1u << 20)

int fr_yaml_edit_read(const char *path, struct fr_buffer *text, bool *exists, struct stat *file,
                      struct fr_error *error)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    ssize_t got = 0;

    *exists = fd >= 0;
    if (fd < 0 && errno == ENOENT)
        return 0;
    if (fd < 0)
        return fr_error_set(error, "cannot read %s: %s; %s", path, strerror(errno),
                            fr_file_remedy(errno));
    if (fstat(fd, file) != 0 || !S_ISREG(file->st_mode)) {
        close(fd);
        return fr_error_set(error, "%s is not a regular file; use another path", path);
    }
    do {
        uint8_t *to = fr_buffer_reserve(text, 65536);

        got = to != NULL ? read(fd, to, 65536) : 0;
        text->len += got > 0 ? (size_t)got : 0;
    } while (got > 0 && text->len <= YAML_EDIT_FILE_MAX);
    close(fd);
    if (got < 0)
        return fr_error_set(error, "cannot read %s: %s; %s", path, strerror(errno),
                            fr_file_remedy(errno));
    if (text->len > YAML_EDIT_FILE_MAX || text->failed)
        return fr_error_set(error, "%s is longer than 1 MiB; edit it by hand", path);
    return 0;
}

static int yaml_edit_check_unchanged(const struct fr_yaml_edit *edit, struct fr_error *error)
{
    struct fr_buffer now = {0};
    struct stat file;
    bool exists;
    int status = fr_yaml_edit_read(edit->path, &now, &exists, &file, error);

    if (status == 0 && (exists != edit->exists || now.len != edit->before.len ||
                        (now.len > 0 && memcmp(now.bytes, edit->before.bytes, now.len) != 0)))
        status = fr_error_set(error, "%s was changed by another program; run the command again",
                              edit->path);
    fr_buffer_free(&now);
    return status;
}

static int yaml_edit_replace(struct fr_yaml_edit *edit, const char *from, mode_t mode,
                             const struct fr_file_owner *owner, struct fr_error *error)
{
    char *old = fr_asprintf("%s.old", edit->path);
    struct fr_atomic_file backup = {old, mode, owner, true};
    char *folder = fr_path_folder(edit->path);
    int status = 0;

    if (edit->exists)
        status = fr_atomic_file_write(&backup, edit->before.bytes, edit->before.len, error);
    if (status == 0 && rename(from, edit->path) != 0)
        status = fr_error_set(error, "cannot replace %s: %s; %s", edit->path, strerror(errno),
                              fr_file_remedy(errno));
    if (status == 0)
        fr_sync_folder(folder);
    free(folder);
    free(old);
    return status;
}

int fr_yaml_edit_save(struct fr_yaml_edit *edit, mode_t mode, const struct fr_file_owner *owner,
                      int (*check)(const char *path, void *ctx, struct fr_error *error), void *ctx,
                      struct fr_error *error)
{
    char *new = fr_asprintf("%s.setup", edit->path);
    struct fr_file_owner present = {edit->file.st_uid, edit->file.st_gid};
    struct fr_atomic_file file = {new, mode, owner, true};
    bool changed = edit->text.len != edit->before.len ||
                   memcmp(edit->text.bytes, edit->before.bytes, edit->text.len) != 0;
    int status = 0;

    if (edit->exists) {
        file.mode = edit->file.st_mode & 07777;
        /* Only root can give a file away; an owner of the same id needs no change. */
        file.owner = geteuid() == 0 ? &present : NULL;
    }
    if (changed) {
        status = fr_atomic_file_write(&file, edit->text.bytes, edit->text.len, error);
        if (status == 0 && check != NULL)
            status = check(new, ctx, error);
        if (status == 0)
            status = yaml_edit_check_unchanged(edit, error);
        if (status == 0)
            status = yaml_edit_replace(edit, new, file.mode, file.owner, error);
        if (status != 0)
            unlink(new);
    }
    free(new);
    return status;
}
