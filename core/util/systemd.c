#include "util/systemd.h"

#include <ctype.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define JOURNALD "/run/systemd/journal/socket"

static int journald = -1;

/* Returns a datagram socket that is connected to a path or to an abstract name ("@..."), or -1. */
static int systemd_connect_to(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t len = strlen(path);
    int fd;

    if (len == 0 || len >= sizeof address.sun_path)
        return -1;
    memcpy(address.sun_path, path, len);
    if (path[0] == '@')
        address.sun_path[0] = '\0';
    fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&address,
                           (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)) != 0) {
        close(fd);
        fd = -1;
    }
    return fd;
}

void fr_systemd_notify(const char *state)
{
    const char *path = getenv("NOTIFY_SOCKET");
    int fd = path != NULL ? systemd_connect_to(path) : -1;

    if (fd < 0)
        return;
    if (send(fd, state, strlen(state), MSG_NOSIGNAL) < 0) {
        /* The service manager detects a missing message by its own timeout. */
    }
    close(fd);
}

int64_t fr_systemd_watchdog_ms(void)
{
    const char *us = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");

    if (us == NULL || (pid != NULL && strtol(pid, NULL, 10) != (long)getpid()))
        return 0;
    return strtoll(us, NULL, 10) / 2000;
}

bool fr_journald_open(void)
{
    if (journald < 0)
        journald = systemd_connect_to(JOURNALD);
    return journald >= 0;
}

bool fr_journald_send(int priority, const char *message, const char *subject, const char *name)
{
    char entry[2048], field[96] = "";
    int n;

    if (journald < 0)
        return false;
    if (subject != NULL) {
        snprintf(field, sizeof field, "FLEETROUTE_%s=%s\n", subject, name);
        for (char *p = field; *p != '='; p++)
            *p = (char)toupper((unsigned char)*p);
    }
    n = snprintf(entry, sizeof entry, "PRIORITY=%d\nSYSLOG_IDENTIFIER=fleetrouted\n%sMESSAGE=%s\n",
                 priority, field, message);
    return n > 0 && (size_t)n < sizeof entry && send(journald, entry, (size_t)n, MSG_NOSIGNAL) == n;
}
