/* control_commands.h - the control commands that clients of the control socket can send. */
#ifndef FR_CONTROL_COMMANDS_H
#define FR_CONTROL_COMMANDS_H

#include "admin/control_socket.h"

/* The table for fr_control_new(), whose ctx is the daemon (struct fr_daemon). */
extern const struct fr_control_commands fr_daemon_control_commands;

#endif
