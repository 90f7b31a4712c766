/* Messages to systemd: readiness and watchdog to the service manager, log entries with fields to
 * journald. Both protocols are datagrams of NAME=value lines (sd_notify(3) and systemd's "Native
 * Journal Protocol"); systemd declares both stable, so no library is needed. Without systemd the
 * functions do nothing. */
#ifndef FR_SYSTEMD_H
#define FR_SYSTEMD_H

#include <stdbool.h>
#include <stdint.h>

/* Send a state ("READY=1") to the service manager. Failure is ignored. */
void fr_systemd_notify(const char *state);

/* Returns the interval in ms at which the daemon sends "WATCHDOG=1": half of WatchdogSec=; 0 if the
 * unit has no watchdog. */
int64_t fr_systemd_watchdog_ms(void);

/* Connect to journald's socket. Returns false if journald is not running. Called
 * by fr_log_set_format() only, which publishes the socket to the threads that log. */
bool fr_journald_open(void);

/* Send one log entry of a syslog(3) priority. `subject` ("sink") and `name` ("home") become the
 * field FLEETROUTE_SINK=home; `subject` NULL: no field. Returns false if the entry was not sent.
 * Any thread. */
bool fr_journald_send(int priority, const char *message, const char *subject, const char *name);

#endif
