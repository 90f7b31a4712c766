#include "state_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "util/file_remedy.h"

/* Create the file and sync its data. Returns -1 with errno set on failure. */
static int state_file_create(const char *path, const char *bytes, size_t len)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600), code = 0;

    if (fd < 0)
        return -1;
    while (len != 0 && code == 0) {
        ssize_t n = write(fd, bytes, len);

        if (n > 0) {
            bytes += n;
            len -= (size_t)n;
        } else if (n < 0 && errno != EINTR)
            code = errno;
    }
    if (code == 0 && fdatasync(fd) != 0)
        code = errno;
    if (close(fd) != 0 && code == 0)
        code = errno;
    errno = code;
    return code == 0 ? 0 : -1;
}

/* Sync the folder of `path`. Folders that cannot be opened or synced (file systems without support,
 * missing permissions) are not an error. Returns -1 with errno set on failure. */
static int state_file_sync_folder(const char *path)
{
    const char *slash = strrchr(path, '/');
    struct fr_text_buffer folder = {0};
    int fd, code = 0;

    fr_text_buffer_append(&folder, path, slash != NULL ? (size_t)(slash - path) : 0);
    fr_text_buffer_add(&folder, slash != NULL ? "/" : "."); /* the folder of "/x" is "/" */
    fd = open(fr_text_buffer_string(&folder), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fsync(fd) != 0)
        code = errno;
    if (fd >= 0)
        close(fd); /* opened for reading: no error to check */
    fr_text_buffer_free(&folder);
    errno = code;
    return code == 0 || code == EINVAL || code == EACCES || code == EPERM ? 0 : -1;
}

bool fr_state_file_write(const char *path, const void *bytes, size_t len,
                         struct fr_text_buffer *why)
{
    struct fr_text_buffer temporary = {0};
    int code = ENOMEM;

    fr_text_buffer_clear(why);
    fr_text_buffer_printf(&temporary, "%s.new", path);
    if (!temporary.failed)
        code = state_file_create(temporary.bytes, bytes, len) == 0 &&
                       rename(temporary.bytes, path) == 0 && state_file_sync_folder(path) == 0
                   ? 0
                   : errno;
    fr_text_buffer_free(&temporary);
    if (code != 0)
        fr_text_buffer_printf(why, "%s cannot be written: %s; %s", path, strerror(code),
                              fr_file_remedy(code));
    return code == 0;
}

bool fr_state_file_read(const char *path, size_t max, struct fr_text_buffer *content,
                        struct fr_text_buffer *why)
{
    FILE *file = fopen(path, "re");
    char bytes[4096];
    size_t n;
    int code = file == NULL ? errno : 0;

    fr_text_buffer_clear(why);
    fr_text_buffer_clear(content);
    while (file != NULL && content->len <= max && (n = fread(bytes, 1, sizeof bytes, file)) != 0)
        fr_text_buffer_append(content, bytes, n);
    if (file != NULL) {
        if (ferror(file))
            code = errno;
        else if (content->failed)
            code = ENOMEM;
        else if (content->len > max)
            code = EFBIG;
        fclose(file);
    }
    if (code != 0 && code != ENOENT)
        fr_text_buffer_printf(why, "%s cannot be read: %s", path, strerror(code));
    return code == 0;
}
