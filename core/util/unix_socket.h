/* unix_socket.h - listening on a path. */
#ifndef FR_UNIX_SOCKET_H
#define FR_UNIX_SOCKET_H

#include "util/error.h"

/* A listening, non-blocking Unix socket at `path`, mode 0660; a socket file that a dead daemon
 * left behind is replaced. `what` names it in messages. Returns the descriptor; -1 and why. */
int fr_unix_listen(const char *path, const char *what, struct fr_error *error);

#endif
