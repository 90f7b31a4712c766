/* control_commands.h - the control commands that clients of the control socket can send. */
#ifndef FR_CONTROL_COMMANDS_H
#define FR_CONTROL_COMMANDS_H

#include "admin/control_socket.h"

/* The table for fr_control_new(), whose ctx is the daemon (struct fr_daemon). */
extern const struct fr_control_commands fr_daemon_control_commands;

struct fr_daemon;
struct fr_sink;

/* The sink whose name are these `len` bytes; NULL: there is none. Main thread. */
struct fr_sink *fr_daemon_find_sink(const struct fr_daemon *d, const char *name, size_t len);

/* Let a sink continue at a record of the journal; a position before the oldest record becomes that of
 * the oldest record. Main thread. Returns 0; or -1 with `error` set. */
int fr_daemon_rewind_sink(struct fr_daemon *d, const char *name, size_t len, uint64_t *seq,
                          struct fr_error *error);

#endif
