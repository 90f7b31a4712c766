#include "guard/keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "guard/sandbox.h"
#include "util/log.h"
#include "util/memory.h"

/* What is sent back: errno, and with 0 a descriptor. */
union control {
    struct cmsghdr head;
    char bytes[CMSG_SPACE(sizeof(int))];
};

static int keeper = -1; /* our end */
static char *files[FR_KEEPER_FILES_MAX];
static size_t file_count;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/* ---- the keeper ------------------------------------------------------------------ */

static void hand_over(int to, int fd, int32_t problem)
{
    union control control = {.bytes = {0}};
    struct iovec io = {&problem, sizeof problem};
    struct msghdr message = {.msg_iov = &io, .msg_iovlen = 1};

    if (fd >= 0) {
        message.msg_control = control.bytes;
        message.msg_controllen = sizeof control.bytes;
        control.head.cmsg_level = SOL_SOCKET;
        control.head.cmsg_type = SCM_RIGHTS;
        control.head.cmsg_len = CMSG_LEN(sizeof fd);
        memcpy(CMSG_DATA(&control.head), &fd, sizeof fd);
    }
    if (sendmsg(to, &message, MSG_NOSIGNAL) < 0)
        _exit(EXIT_FAILURE);
}

/* Ends when the daemon has: its end of the socket is closed then. */
_Noreturn static void keep(int from)
{
    uint8_t which;

    while (read(from, &which, 1) == 1) {
        int fd = which < file_count ? open(files[which], O_RDONLY | O_CLOEXEC | O_NOCTTY) : -1;

        hand_over(from, fd, fd >= 0 ? 0 : errno);
        if (fd >= 0)
            close(fd);
    }
    _exit(EXIT_SUCCESS);
}

_Noreturn static void be_the_keeper(int from, const struct fr_user *user)
{
    struct fr_error error;

    /* A signal for all of the daemon's processes is for the daemon. */
    signal(SIGTERM, SIG_IGN);
    signal(SIGINT, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    fr_log_set_format(FR_LOG_TEXT); /* journald's socket is closed below, with all others */
    if (from != 3)
        dup2(from, 3);
    close_range(4, ~0U, 0);
    if (fr_privileges_drop(user, true, &error) != 0 || fr_sandbox_keeper(&error) != 0)
        _exit(EXIT_FAILURE);
    keep(3);
}

int fr_keeper_start(const char *const *paths, size_t count, const struct fr_user *user,
                    struct fr_error *error)
{
    int ends[2];
    pid_t child;

    for (file_count = 0; file_count < count && file_count < FR_KEEPER_FILES_MAX; file_count++)
        files[file_count] = fr_strdup(paths[file_count]);
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
        return fr_error_set(error, "cannot make a socket: %s", strerror(errno));
    child = fork();
    if (child == 0) {
        close(ends[0]);
        be_the_keeper(ends[1], user);
    }
    close(ends[1]);
    if (child < 0) {
        close(ends[0]);
        return fr_error_set(error, "cannot start the keeper of the key: %s", strerror(errno));
    }
    keeper = ends[0];
    return 0;
}

/* ---- the daemon ------------------------------------------------------------------ */

static int ask(uint8_t which)
{
    union control control = {.bytes = {0}};
    int32_t problem = EPIPE;
    struct iovec io = {&problem, sizeof problem};
    struct msghdr message = {.msg_iov = &io,
                             .msg_iovlen = 1,
                             .msg_control = control.bytes,
                             .msg_controllen = sizeof control.bytes};
    int fd = -1;

    if (send(keeper, &which, 1, MSG_NOSIGNAL) != 1 ||
        recvmsg(keeper, &message, MSG_CMSG_CLOEXEC) != sizeof problem) {
        errno = EPIPE;
        return -1;
    }
    if (problem == 0 && message.msg_controllen != 0 && control.head.cmsg_type == SCM_RIGHTS)
        memcpy(&fd, CMSG_DATA(&control.head), sizeof fd);
    errno = problem;
    return fd;
}

int fr_keeper_open(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);

    if (fd >= 0 || errno != EACCES || keeper < 0)
        return fd;
    for (size_t i = 0; i < file_count; i++)
        if (strcmp(files[i], path) == 0) {
            pthread_mutex_lock(&lock);
            fd = ask((uint8_t)i);
            pthread_mutex_unlock(&lock);
            return fd;
        }
    errno = EACCES;
    return -1;
}
