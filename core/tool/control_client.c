#include "tool/control_client.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "util/buffer.h"
#include "util/clock.h"

#define READ_SIZE 65536
#define REPLY_MAX 67108864 /* bytes; sinks and sources are few */

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

/* Append what arrives until the daemon closes the connection. Returns 0, or -1 with `error` set. */
static int client_receive(int fd, int64_t limit_ms, struct fr_buffer *reply, struct fr_error *error)
{
    int64_t end_ms = fr_monotonic_ms() + limit_ms;

    for (;;) {
        int64_t left_ms = end_ms - fr_monotonic_ms();
        struct pollfd poller = {.fd = fd, .events = POLLIN};
        uint8_t *to = fr_buffer_reserve(reply, READ_SIZE);
        ssize_t got;

        if (to == NULL || reply->len > REPLY_MAX)
            return fr_error_set(error, "the reply has more than %d bytes", REPLY_MAX);
        if (left_ms <= 0 || poll(&poller, 1, (int)left_ms) == 0)
            return fr_error_set(error, "no reply within %lld s", (long long)limit_ms / 1000);
        got = read(fd, to, READ_SIZE);
        if (got < 0)
            return fr_error_set(error, "%s", strerror(errno));
        if (got == 0)
            return 0;
        reply->len += (size_t)got;
    }
}

static json_t *client_read(FILE *stream, int64_t limit_ms, struct fr_error *error)
{
    struct fr_buffer reply = {0};
    json_error_t problem;
    json_t *json = NULL;

    if (client_receive(fileno(stream), limit_ms, &reply, error) == 0) {
        json = json_loadb((const char *)reply.bytes, reply.len, JSON_REJECT_DUPLICATES, &problem);
        if (json == NULL)
            fr_error_set(error, "the reply cannot be read: %s", problem.text);
    }
    fr_buffer_free(&reply);
    return json;
}

json_t *fr_control_ask(const char *path, const char *request, int64_t limit_ms,
                       struct fr_error *error)
{
    FILE *stream = fr_control_request(path, request, error);
    const char *reason;
    json_t *reply;

    if (stream == NULL)
        return NULL;
    reply = client_read(stream, limit_ms, error);
    fclose(stream);
    reason = json_string_value(json_object_get(reply, "error"));
    if (reason == NULL)
        return reply;
    fr_error_set(error, "%s", reason);
    json_decref(reply);
    return NULL;
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
