#include "privsep/key_reader.h"

#include <assert.h>
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

#include "privsep/sandbox.h"
#include "util/log.h"
#include "util/memory.h"

/* Ancillary data of one answer: one descriptor, aligned as struct cmsghdr needs. */
union control {
    struct cmsghdr head;
    char bytes[CMSG_SPACE(sizeof(int))];
};

static int key_reader = -1; /* the daemon's end of the socket pair; -1: no key_reader runs */
static char *files[FR_KEY_READER_FILES_MAX];
static size_t file_count;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* one request at a time */

/* A FIFO in the place of a file must not block the daemon: it is empty. */
static int key_reader_open_file(const char *path)
{
    return open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
}

/* ---- the key_reader process ------------------------------------------------------ */

static void key_reader_send_answer(int socket, int fd, int32_t status)
{
    union control control = {.bytes = {0}};
    struct iovec io = {&status, sizeof status};
    struct msghdr message = {.msg_iov = &io, .msg_iovlen = 1};

    if (fd >= 0) {
        message.msg_control = control.bytes;
        message.msg_controllen = sizeof control.bytes;
        control.head.cmsg_level = SOL_SOCKET;
        control.head.cmsg_type = SCM_RIGHTS;
        control.head.cmsg_len = CMSG_LEN(sizeof fd);
        memcpy(CMSG_DATA(&control.head), &fd, sizeof fd);
    }
    if (sendmsg(socket, &message, MSG_NOSIGNAL) < 0)
        _exit(EXIT_FAILURE);
}

/* Answer requests until the daemon's end of the socket is closed. */
_Noreturn static void key_reader_serve(int socket)
{
    uint8_t index;

    while (read(socket, &index, 1) == 1) {
        int fd;

        errno = EINVAL;
        fd = index < file_count ? key_reader_open_file(files[index]) : -1;
        key_reader_send_answer(socket, fd, fd >= 0 ? 0 : errno);
        if (fd >= 0)
            close(fd);
    }
    _exit(EXIT_SUCCESS);
}

/* Release the terminal or the pipe of the command that started a background daemon: its reader waits
 * for the end. Nothing is printed: the daemon reports a missing part of the sandbox for both. */
static void key_reader_detach_output(void)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);

    for (int fd = STDIN_FILENO; null >= 0 && fd <= STDERR_FILENO; fd++)
        dup2(null, fd);
}

_Noreturn static void key_reader_run(int socket, const struct fr_user *user)
{
    struct fr_error error;

    /* A signal to the process group (Ctrl-C, systemd) is handled by the daemon alone. */
    signal(SIGTERM, SIG_IGN);
    signal(SIGINT, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    fr_log_set_format(FR_LOG_TEXT); /* close_range() below closes journald's socket */
    key_reader_detach_output();
    if (socket != 3)
        dup2(socket, 3);
    close_range(4, ~0U, 0);
    if (fr_privileges_drop(user, true, &error) != 0 || fr_sandbox_enter_key_reader(&error) != 0)
        _exit(EXIT_FAILURE);
    key_reader_serve(3);
}

int fr_key_reader_start(const char *const *paths, size_t count, const struct fr_user *user,
                        struct fr_error *error)
{
    int pair[2];
    pid_t child;

    assert(count <= FR_KEY_READER_FILES_MAX);
    for (file_count = 0; file_count < count; file_count++)
        files[file_count] = fr_strdup(paths[file_count]);
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
        return fr_error_set(error, "cannot create the key_reader's socket pair: %s",
                            strerror(errno));
    child = fork();
    if (child == 0) {
        close(pair[0]);
        key_reader_run(pair[1], user);
    }
    close(pair[1]);
    if (child < 0) {
        close(pair[0]);
        return fr_error_set(error, "cannot start the key_reader process: %s", strerror(errno));
    }
    key_reader = pair[0];
    return 0;
}

/* ---- the daemon process ---------------------------------------------------------- */

/* Request the file at `index`. Returns its descriptor, or -1 with errno set. */
static int key_reader_request(uint8_t index)
{
    union control control = {.bytes = {0}};
    int32_t status = EPIPE;
    struct iovec io = {&status, sizeof status};
    struct msghdr message = {.msg_iov = &io,
                             .msg_iovlen = 1,
                             .msg_control = control.bytes,
                             .msg_controllen = sizeof control.bytes};
    int fd = -1;

    if (send(key_reader, &index, 1, MSG_NOSIGNAL) != 1 ||
        recvmsg(key_reader, &message, MSG_CMSG_CLOEXEC) != sizeof status) {
        errno = EPIPE;
        return -1;
    }
    if (status == 0 && message.msg_controllen != 0 && control.head.cmsg_type == SCM_RIGHTS)
        memcpy(&fd, CMSG_DATA(&control.head), sizeof fd);
    errno = status;
    return fd;
}

int fr_key_reader_open(const char *path)
{
    int fd = key_reader_open_file(path);

    if (fd >= 0 || errno != EACCES || key_reader < 0)
        return fd;
    for (size_t i = 0; i < file_count; i++)
        if (strcmp(files[i], path) == 0) {
            pthread_mutex_lock(&lock);
            fd = key_reader_request((uint8_t)i);
            pthread_mutex_unlock(&lock);
            return fd;
        }
    errno = EACCES;
    return -1;
}
