#include "journal/lock_file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

/* What LMDB makes for its 126 readers. A file that has another size keeps it: whoever has it mapped
 * knows no more of it. */
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
    close(fd); /* nothing is written through it */
    return code == EINVAL || code == EOPNOTSUPP ? 0 : code;
}
