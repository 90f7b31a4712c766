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

json_t *fr_control_order(const char *command, const char *path, const char *request)
{
    struct fr_error error;
    FILE *stream = fr_control_ask(path, request, &error);
    json_error_t problem;
    const char *complaint;
    json_t *answer;

    if (stream == NULL) {
        fprintf(stderr, "%s: %s\n", command, error.text);
        return NULL;
    }
    answer = json_loadf(stream, 0, &problem);
    fclose(stream);
    if (answer == NULL) {
        fprintf(stderr, "%s: the answer cannot be read: %s\n", command, problem.text);
        return NULL;
    }
    complaint = json_string_value(json_object_get(answer, "error"));
    if (complaint == NULL)
        return answer;
    fprintf(stderr, "%s: %s\n", command, complaint);
    json_decref(answer);
    return NULL;
}
