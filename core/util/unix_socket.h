/* Listening Unix sockets. */
#ifndef FR_UNIX_SOCKET_H
#define FR_UNIX_SOCKET_H

#include "util/error.h"

/* Make a listening, non-blocking Unix stream socket at `path`, mode 0660. A socket file on which no
 * process listens is replaced. `what` names the socket in messages. Returns the descriptor, which
 * the caller closes, or -1 with a message in `error`. */
int fr_unix_listen(const char *path, const char *what, struct fr_error *error);

#endif
