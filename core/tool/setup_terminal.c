#include "tool/setup_terminal.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

static const int terminal_signals[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP};
#define TERMINAL_SIGNALS (sizeof terminal_signals / sizeof *terminal_signals)

/* Written before the handlers are set, read by them. */
static struct termios terminal_saved, terminal_silent;
static struct sigaction terminal_previous[TERMINAL_SIGNALS];

/* Restore the settings, let the signal have its effect; after SIGTSTP the process continues here. */
static void terminal_on_signal(int number)
{
    struct sigaction handler, plain = {.sa_handler = SIG_DFL};
    int code = errno;
    sigset_t set;

    tcsetattr(STDIN_FILENO, TCSANOW, &terminal_saved);
    sigaction(number, &plain, &handler);
    sigemptyset(&set);
    sigaddset(&set, number);
    raise(number);
    sigprocmask(SIG_UNBLOCK, &set, NULL); /* the signal has its effect here */
    sigaction(number, &handler, NULL);
    tcsetattr(STDIN_FILENO, TCSANOW, &terminal_silent);
    errno = code;
}

/* Returns whether the echo is off now; false: standard input is no terminal. */
static bool terminal_silence(void)
{
    struct sigaction action = {.sa_handler = terminal_on_signal, .sa_flags = SA_RESTART};

    if (tcgetattr(STDIN_FILENO, &terminal_saved) != 0)
        return false;
    terminal_silent = terminal_saved;
    terminal_silent.c_lflag &= ~(tcflag_t)(ECHO | ECHOE | ECHOK | ECHONL);
    for (size_t i = 0; i < TERMINAL_SIGNALS; i++)
        sigaction(terminal_signals[i], &action, &terminal_previous[i]);
    return tcsetattr(STDIN_FILENO, TCSAFLUSH, &terminal_silent) == 0;
}

static void terminal_restore(void)
{
    tcsetattr(STDIN_FILENO, TCSANOW, &terminal_saved);
    for (size_t i = 0; i < TERMINAL_SIGNALS; i++)
        sigaction(terminal_signals[i], &terminal_previous[i], NULL);
}

static int terminal_read(char *text, size_t size, struct fr_error *error)
{
    size_t len = 0;

    while (len < size - 1) {
        ssize_t got = read(STDIN_FILENO, text + len, 1);

        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return fr_error_set(error, "the input ended; run `fleetroute setup` again; finished "
                                       "steps are not asked again");
        if (text[len] == '\n') {
            text[len] = '\0';
            return 0;
        }
        len += text[len] != '\0';
    }
    OPENSSL_cleanse(text, size);
    return fr_error_set(error, "the line is longer than %zu bytes", size - 2);
}

int fr_setup_terminal_line(char *text, size_t size, bool is_secret, struct fr_error *error)
{
    bool is_silent = is_secret && terminal_silence();
    int status = terminal_read(text, size, error);

    if (is_silent) {
        terminal_restore();
        putchar('\n'); /* the owner's Enter was not echoed */
    }
    return status;
}

int fr_setup_terminal_width(void)
{
    struct winsize size;

    return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}
