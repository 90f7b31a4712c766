#include "tool/control_client.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static int connect_to(const char *path, struct fr_error *error)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd;

    if (strlen(path) >= sizeof address.sun_path)
        return fr_error_set(error, "%s is longer than a socket's path can be", path);
    strcpy(address.sun_path, path);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address) == 0)
        return fd;
    fr_error_set(error, "%s: %s (%s)", path, strerror(errno),
                 errno == EACCES ? "try it as root or in the daemon's group"
                                 : "does fleetrouted run, with this path as `control:`?");
    if (fd >= 0)
        close(fd);
    return -1;
}

FILE *fr_control_ask(const char *path, const char *request, struct fr_error *error)
{
    int fd = connect_to(path, error);
    FILE *stream;

    if (fd < 0)
        return NULL;
    if (dprintf(fd, "%s\n", request) < 0 || (stream = fdopen(fd, "r")) == NULL) {
        fr_error_set(error, "%s: %s", path, strerror(errno));
        close(fd);
        return NULL;
    }
    return stream;
}
