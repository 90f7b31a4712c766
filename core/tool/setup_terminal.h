/* Reads lines from the terminal, with or without echo. Main thread. */
#ifndef FR_SETUP_TERMINAL_H
#define FR_SETUP_TERMINAL_H

#include <stdbool.h>
#include <stddef.h>

#include "util/error.h"

/* Read one line from standard input without its newline; a longer line is an error. With `is_secret`
 * the terminal does not echo it; the terminal's settings are restored on return, and before the
 * signals INT, TERM, HUP, QUIT and TSTP have their effect. Returns 0, or -1 with `error` set: the input
 * ended. */
int fr_setup_terminal_line(char *text, size_t size, bool is_secret, struct fr_error *error);

/* Columns of the terminal of standard output; 80 if it is none. */
int fr_setup_terminal_width(void);

#endif
