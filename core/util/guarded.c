#include "util/guarded.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "util/clock.h"

static void guarded_child(int (*work)(void *ctx, struct fr_error *error), void *ctx, int output)
{
    static const int crashes[] = {SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL, SIGTERM, SIGINT};
    struct rlimit no_core = {0, 0};
    struct fr_error error = {""};
    int status;

    prctl(PR_SET_PDEATHSIG, SIGKILL); /* do not outlive the caller */
    setrlimit(RLIMIT_CORE, &no_core);
    for (size_t i = 0; i < sizeof crashes / sizeof *crashes; i++)
        signal(crashes[i], SIG_DFL);
    status = work(ctx, &error);
    if (status != 0 && write(output, error.text, strlen(error.text)) < 0)
        _exit(2);
    _exit(status == 0 ? 0 : 1);
}

/* Read the error text of the child until the child closes the pipe. Returns false on timeout. */
static bool guarded_read_error(int input, int64_t max_ms, char *text, size_t size)
{
    int64_t deadline = fr_monotonic_ms() + max_ms;
    struct pollfd wait = {.fd = input, .events = POLLIN};
    size_t len = 0;
    ssize_t n = 1;

    while (n > 0 || (n < 0 && errno == EINTR)) {
        int64_t left = deadline - fr_monotonic_ms();

        if (max_ms != 0 && left <= 0)
            return false;
        if (poll(&wait, 1, max_ms == 0 ? -1 : (int)left) <= 0)
            continue;
        n = read(input, text + len, size - 1 - len);
        len += n > 0 ? (size_t)n : 0;
        if (len == size - 1)
            break;
    }
    text[len] = '\0';
    return true;
}

enum fr_guarded fr_guarded_run(int (*work)(void *ctx, struct fr_error *error), void *ctx,
                               int64_t max_ms, struct fr_error *error)
{
    char text[sizeof error->text] = "";
    int error_pipe[2], status = 0;
    bool in_time;
    pid_t child;

    if (pipe(error_pipe) != 0) {
        fr_error_set(error, "cannot open a pipe: %s", strerror(errno));
        return FR_GUARDED_NOT_RUN;
    }
    child = fork();
    if (child == 0) {
        close(error_pipe[0]);
        guarded_child(work, ctx, error_pipe[1]);
    }
    close(error_pipe[1]);
    if (child < 0) {
        close(error_pipe[0]);
        fr_error_set(error, "cannot start a process: %s", strerror(errno));
        return FR_GUARDED_NOT_RUN;
    }
    in_time = guarded_read_error(error_pipe[0], max_ms, text, sizeof text);
    close(error_pipe[0]);
    if (!in_time)
        kill(child, SIGKILL);
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        ;
    if (!in_time) {
        fr_error_set(error, "not finished after %lld s", (long long)(max_ms / 1000));
        return FR_GUARDED_LATE;
    }
    if (WIFSIGNALED(status)) {
        fr_error_set(error, "signal %d (%s)", WTERMSIG(status), strsignal(WTERMSIG(status)));
        return FR_GUARDED_CRASHED;
    }
    if (WEXITSTATUS(status) == 0)
        return FR_GUARDED_WELL;
    fr_error_set(error, "%s", text);
    return FR_GUARDED_FAILED;
}
