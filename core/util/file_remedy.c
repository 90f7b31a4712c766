#include "util/file_remedy.h"

#include <errno.h>

const char *fr_file_remedy(int code)
{
    switch (code) {
    case ENOSPC:
    case EDQUOT:
        return "free space on its disk";
    case EROFS:
        return "mount its file system read-write";
    case EIO:
        return "check the kernel's log and the disk";
    case EACCES:
    case EPERM:
        return "give the daemon's user permission to write there";
    case EMFILE:
    case ENFILE:
        return "raise LimitNOFILE= of the systemd unit or `ulimit -n`";
    case EEXIST:
    case EISDIR:
    case ENOTDIR:
    case ENOTEMPTY:
    case ENXIO:
    case ELOOP:
        return "move away the file at this path";
    default:
        return "check its folder and the disk";
    }
}
