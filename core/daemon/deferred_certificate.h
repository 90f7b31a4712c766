/*
 * Defers a renewed certificate that vehicles would reject: its CA is not in the `ca` that they have.
 * The former certificate stays in force until `fleetroute keep` has pushed the new CA and the vehicles
 * have taken it, at most until FR_DEFERRED_MARGIN_S before the former one ends. Main thread.
 */
#ifndef FR_DEFERRED_CERTIFICATE_H
#define FR_DEFERRED_CERTIFICATE_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/server_types.h"
#include "daemon/upkeep.h"

/* The changed certificate is served from this time before the end of the former one. */
#define FR_DEFERRED_MARGIN_S (24 * 3600)
/* Between two checks whether it is still deferred. */
#define FR_DEFERRED_CHECK_MS 10000

/* All zero: none is deferred. */
struct fr_deferred_certificate {
    bool present;
    int64_t since_ms;   /* since 1970 */
    int64_t until_s;    /* it is served then at the latest, since 1970 */
    size_t vehicles;    /* that would reject it */
    int64_t checked_ms; /* monotonic */
    int64_t warned_ms;  /* monotonic; 0: not yet */
};

/* Decide whether `changed` must not replace `current` yet, from the state of `tesla`, and log the
 * begin, the end, and a daily warning. Without a state, or without the file of a pushed `ca`, nothing
 * is deferred. A vehicle counts if a `ca` that it may have rejects the changed certificate, and one
 * accepts the current one. */
bool fr_deferred_certificate_check(struct fr_deferred_certificate *deferred,
                                   const struct fr_tesla_config *tesla, struct fr_upkeep *upkeep,
                                   const SSL_CTX *current, const SSL_CTX *changed);

/* Whether a certificate is deferred and the next check is due. */
bool fr_deferred_certificate_is_due(const struct fr_deferred_certificate *deferred);

#endif
