/*
 * systemd.h - words for systemd: readiness, the watchdog, the journal's fields.
 *
 * Both protocols are datagrams of NAME=value lines to a socket (sd_notify(3) and "Native Journal
 * Protocol" in systemd's documentation) and are declared stable, so no library is needed. Where
 * systemd is not there, nothing happens.
 */
#ifndef FR_SYSTEMD_H
#define FR_SYSTEMD_H

#include <stdbool.h>
#include <stdint.h>

/* Tell the service manager ("READY=1"). */
void fr_systemd_notify(const char *state);

/* How often the watchdog wants to hear of us, in ms: half of WatchdogSec; 0: it does not. */
int64_t fr_systemd_watchdog_ms(void);

/* Connect to journald's socket; false: there is none. */
bool fr_journald_open(void);

/* Send one entry; `subject` and `name` become a field (SINK=home); NULL: none. False: it was not
 * taken. */
bool fr_journald_send(int priority, const char *message, const char *subject, const char *name);

#endif
