/* admin_certificate.h - read a changed certificate of the admin listener while the daemon runs. Main
 * thread. */
#ifndef FR_ADMIN_CERTIFICATE_H
#define FR_ADMIN_CERTIFICATE_H

#include "daemon/daemon_state.h"

/* Read the certificate and the key of `admin: tls:` again if one of the files has changed. New
 * connections use them. On failure the present ones stay in force, and the next call tries again. */
void fr_daemon_refresh_admin_certificate(struct fr_daemon *daemon);

#endif
