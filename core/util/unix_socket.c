#include "util/unix_socket.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* Remove the socket file if no process listens on it; it is left from a daemon that has ended. */
static int socket_remove_stale(const struct sockaddr_un *address, struct fr_error *error)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), status;

    if (fd < 0)
        return fr_error_set(error, "cannot open a socket: %s", strerror(errno));
    status = connect(fd, (const struct sockaddr *)address, sizeof *address);
    if (status == 0) {
        close(fd);
        return fr_error_set(error, "another fleetrouted answers on %s", address->sun_path);
    }
    if (errno == ECONNREFUSED)
        unlink(address->sun_path);
    close(fd);
    return 0;
}

int fr_unix_listen(const char *path, const char *what, struct fr_error *error)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd;

    if (strlen(path) >= sizeof address.sun_path)
        return fr_error_set(error,
                            "%s: %s is longer than the max length of a socket path (%zu bytes)",
                            what, path, sizeof address.sun_path - 1);
    strcpy(address.sun_path, path);
    if (socket_remove_stale(&address, error) != 0)
        return -1;
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) != 0 ||
        listen(fd, 16) != 0) {
        fr_error_set(error, "%s: cannot listen on %s: %s", what, path, strerror(errno));
        if (fd >= 0)
            close(fd);
        return -1;
    }
    chmod(path, 0660);
    return fd;
}
