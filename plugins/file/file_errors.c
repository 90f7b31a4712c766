#include "file_errors.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

bool fr_file_root_is_usable(const char *pattern)
{
    size_t fixed = strcspn(pattern, "%");
    char *root;
    int fd;

    if (pattern[fixed] == '\0') /* a single file */
        return false;
    while (fixed != 0 && pattern[fixed - 1] != '/')
        fixed--;
    root = fixed != 0 ? strndup(pattern, fixed) : strdup(".");
    fd = root != NULL && access(root, W_OK | X_OK) == 0
             ? open(root, O_PATH | O_DIRECTORY | O_CLOEXEC)
             : -1;
    free(root);
    if (fd < 0)
        return false;
    close(fd);
    return true;
}

bool fr_file_error_is_of_path(int error)
{
    return error == EISDIR || error == ENOTDIR || error == ENAMETOOLONG || error == ELOOP ||
           error == EACCES || error == EPERM || error == EINVAL || error == ENXIO;
}

const char *fr_file_error_remedy(int error)
{
    switch (error) {
    case ENOSPC:
    case EDQUOT:
        return " (free some space; nothing is lost yet)";
    case EACCES:
    case EPERM:
    case EROFS:
        return " (the daemon's user must be able to write there)";
    case EISDIR:
    case ENOTDIR:
    case ENXIO:
    case EINVAL:
        return " (something else stands where the file belongs: move it away)";
    case EMFILE:
    case ENFILE:
        return " (raise LimitNOFILE)";
    case EIO:
        return " (look into the kernel's log: the disk may be failing)";
    default:
        return "";
    }
}
