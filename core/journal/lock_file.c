#include "journal/lock_file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

/* LMDB's size of the file for 126 readers. An existing file keeps its size: other processes have
 * mapped that size. */
#define LOCK_FILE_SIZE 8192

int fr_lock_file_reserve(const char *path)
{
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0640), code;
    struct stat st;

    if (fd < 0)
        return errno;
    code = fstat(fd, &st) != 0
               ? errno
               : posix_fallocate(fd, 0, st.st_size != 0 ? st.st_size : LOCK_FILE_SIZE);
    close(fd); /* nothing was written: no error to report */
    return code == EINVAL || code == EOPNOTSUPP ? 0 : code;
}
