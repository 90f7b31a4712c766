/*
 * fail_sync.so - a disk that fails: preloaded into the daemon, it lets fdatasync() of the file
 * FR_FAIL_SYNC_OF fail with EIO while the file FR_FAIL_SYNC_WHILE exists.
 */
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

int fdatasync(int fd)
{
    static int (*real)(int);
    const char *of = getenv("FR_FAIL_SYNC_OF"), *as_long_as = getenv("FR_FAIL_SYNC_WHILE");
    struct stat is, wanted;

    if (real == NULL) {
        void *found = dlsym(RTLD_NEXT, "fdatasync");

        *(void **)&real = found;
    }
    if (of != NULL && as_long_as != NULL && access(as_long_as, F_OK) == 0 && fstat(fd, &is) == 0 &&
        stat(of, &wanted) == 0 && is.st_ino == wanted.st_ino && is.st_dev == wanted.st_dev) {
        errno = EIO;
        return -1;
    }
    return real(fd);
}
