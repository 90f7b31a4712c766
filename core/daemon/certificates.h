/* certificates.h - read changed TLS files and the public key while the daemon runs. Main thread. */
#ifndef FR_CERTIFICATES_H
#define FR_CERTIFICATES_H

#include <openssl/ssl.h>
#include <stdbool.h>

#include "daemon/daemon_state.h"

/* Whether `changed` must not replace `current`: the current certificate is valid now and the
 * changed one is not. */
bool fr_certificate_is_worse(const SSL_CTX *current, const SSL_CTX *changed);

/* Whether vehicles would reject `changed`, so that the certificate in force stays for the time being.
 * `server`: the configuration that names the state of `fleetroute keep`. */
bool fr_daemon_defers_certificate(struct fr_daemon *daemon, const struct fr_server_config *server,
                                  const SSL_CTX *changed);

/* Log an error if the certificate in force has expired, expires soon or is not valid yet: when that
 * begins, and then once a day. */
void fr_daemon_check_certificate(struct fr_daemon *daemon);

/* Read the certificate, the key, the CA bundle and the revocation lists again if one of the files
 * has changed. New connections use them. On failure the present ones stay in force, and the next
 * call tries again. A certificate that vehicles would reject is deferred; the other files are not. */
void fr_daemon_refresh_certificates(struct fr_daemon *daemon);

/* Read the file of `tls: public_key:` again, and serve its key if that has changed. While the file
 * cannot be used, the present key is served. */
void fr_daemon_refresh_public_key(struct fr_daemon *daemon);

#endif
