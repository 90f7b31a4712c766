#include "tool/control_client.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static int client_connect_to(const char *path, struct fr_error *error)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd;

    if (strlen(path) >= sizeof address.sun_path)
        return fr_error_set(error, "the path of the socket is longer than %zu bytes: %s",
                            sizeof address.sun_path - 1, path);
    strcpy(address.sun_path, path);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address) == 0)
        return fd;
    fr_error_set(error, "%s: %s (%s)", path, strerror(errno),
                 errno == EACCES ? "run the command as root or in the daemon's group"
                                 : "check that fleetrouted runs with this path as `control:`");
    if (fd >= 0)
        close(fd);
    return -1;
}

FILE *fr_control_request(const char *path, const char *request, struct fr_error *error)
{
    int fd = client_connect_to(path, error);
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

json_t *fr_control_command(const char *command, const char *path, const char *request)
{
    struct fr_error error;
    FILE *stream = fr_control_request(path, request, &error);
    json_error_t problem;
    const char *reason;
    json_t *reply;

    if (stream == NULL) {
        fprintf(stderr, "%s: %s\n", command, error.text);
        return NULL;
    }
    reply = json_loadf(stream, 0, &problem);
    fclose(stream);
    if (reply == NULL) {
        fprintf(stderr, "%s: cannot read the reply of the daemon: %s\n", command, problem.text);
        return NULL;
    }
    reason = json_string_value(json_object_get(reply, "error"));
    if (reason == NULL)
        return reply;
    fprintf(stderr, "%s: %s\n", command, reason);
    json_decref(reply);
    return NULL;
}
