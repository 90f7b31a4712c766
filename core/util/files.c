#include "util/file_remedy.h"
#include "util/files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/memory.h"

int fr_make_folders(const char *path, struct fr_error *error)
{
    char *copy = fr_strdup(path);
    int status, code = 0;

    for (char *slash = strchr(copy + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        if (mkdir(copy, 0750) != 0 && errno != EEXIST && code == 0)
            code = errno;
        *slash = '/';
    }
    status = mkdir(copy, 0750) == 0 || errno == EEXIST ? 0 : -1;
    if (status != 0) {
        if (code == 0)
            code = errno;
        fr_error_set(error, "cannot make the folder %s: %s; %s", path, strerror(code),
                     fr_file_remedy(code));
    }
    free(copy);
    return status;
}

int fr_sync_folder(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int status = fd >= 0 ? fsync(fd) : -1;

    if (fd >= 0)
        close(fd);
    return status;
}

int fr_read_file(const char *path, int flags, size_t max, struct fr_buffer *out)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | flags), code = 0;
    char block[16384];
    size_t total = 0;
    struct stat st;
    ssize_t n = 0;

    if (fd < 0)
        return -1;
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
        code = EINVAL;
    while (code == 0 && (n = read(fd, block, sizeof block)) > 0) {
        fr_buffer_append(out, block, (size_t)n);
        total += (size_t)n;
        code = total > max ? EFBIG : 0;
    }
    if (n < 0)
        code = errno;
    close(fd);
    errno = code;
    return code == 0 ? 0 : -1;
}
