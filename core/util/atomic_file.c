#include "util/atomic_file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/file_remedy.h"
#include "util/files.h"
#include "util/memory.h"

/* Between the name of a file and six characters, in the name of the file that replaces it. */
#define UNFINISHED ".unfinished-"

char *fr_path_folder(const char *path)
{
    const char *slash = strrchr(path, '/');

    if (slash == NULL)
        return fr_strdup(".");
    return slash == path ? fr_strdup("/") : fr_strndup(path, (size_t)(slash - path));
}

/* Returns 0, or -1 with errno set. */
static int atomic_file_write_all(int fd, const char *bytes, size_t len)
{
    while (len > 0) {
        ssize_t written = write(fd, bytes, len);

        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return -1;
        bytes += written;
        len -= (size_t)written;
    }
    return 0;
}

static int atomic_file_fill(int fd, const struct fr_atomic_file *file, const void *bytes,
                            size_t len)
{
    if (file->owner != NULL && fchown(fd, file->owner->uid, file->owner->gid) != 0)
        return -1;
    if (fchmod(fd, file->mode) != 0 || atomic_file_write_all(fd, bytes, len) != 0)
        return -1;
    return fsync(fd);
}

static int atomic_file_rename(const char *from, const struct fr_atomic_file *file)
{
    if (file->may_replace)
        return rename(from, file->path);
    if (renameat2(AT_FDCWD, from, AT_FDCWD, file->path, RENAME_NOREPLACE) == 0)
        return 0;
    if (errno != EINVAL && errno != ENOSYS)
        return -1;
    /* The file system has no RENAME_NOREPLACE, as NFS. link(2) does not replace a file either. */
    if (link(from, file->path) != 0)
        return -1;
    unlink(from);
    return 0;
}

/* Returns 0, or the errno of the first failure. */
static int atomic_file_try(const struct fr_atomic_file *file, const char *folder, char *temporary,
                           const void *bytes, size_t len)
{
    int fd = mkostemp(temporary, O_CLOEXEC); /* with mode 0600 */
    int code = 0;

    if (fd < 0)
        return errno;
    if (atomic_file_fill(fd, file, bytes, len) != 0)
        code = errno;
    if (close(fd) != 0 && code == 0)
        code = errno;
    if (code == 0 && atomic_file_rename(temporary, file) != 0)
        code = errno;
    if (code != 0)
        unlink(temporary);
    else if (fr_sync_folder(folder) != 0)
        code = errno;
    return code;
}

int fr_atomic_file_write(const struct fr_atomic_file *file, const void *bytes, size_t len,
                         struct fr_error *error)
{
    char *folder = fr_path_folder(file->path);
    char *temporary = fr_asprintf("%s" UNFINISHED "XXXXXX", file->path);
    int code = atomic_file_try(file, folder, temporary, bytes, len);

    if (code == EACCES || code == EPERM || code == ENOENT)
        fr_error_set(error, "cannot write %s: %s; %s", file->path, strerror(code),
                     code == ENOENT ? "create its folder"
                                    : "run this command as root, or as a user who may write there");
    else if (code != 0)
        fr_error_set(error, "cannot write %s: %s; %s", file->path, strerror(code),
                     fr_file_remedy(code));
    free(temporary);
    free(folder);
    return code == 0 ? 0 : -1;
}

void fr_atomic_file_remove_unfinished(const char *path)
{
    char *folder = fr_path_folder(path);
    const char *slash = strrchr(path, '/');
    char *start = fr_asprintf("%s" UNFINISHED, slash != NULL ? slash + 1 : path);
    size_t len = strlen(start);
    DIR *dir = opendir(folder);
    struct dirent *entry;

    while (dir != NULL && (entry = readdir(dir)) != NULL)
        if (strncmp(entry->d_name, start, len) == 0 && strlen(entry->d_name) == len + 6)
            unlinkat(dirfd(dir), entry->d_name, 0);
    if (dir != NULL)
        closedir(dir);
    free(start);
    free(folder);
}
