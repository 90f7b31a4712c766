/*
 * Compares the telemetry configuration that a vehicle has with the one that the routes need.
 */
#ifndef FR_CONFIG_COMPARE_H
#define FR_CONFIG_COMPARE_H

#include <stdbool.h>
#include <stddef.h>

/* Whether two configurations (JSON objects: hostname, port, ca, fields, alert_types,
 * delivery_policy) mean the same to a vehicle. `exp`, `iss`, `aud`, the order of keys and of alert
 * types, the spelling of numbers, white space in `ca`, and unknown top-level keys that only
 * `vehicle` has and that are null, do not count. If they differ, `difference` gets the first
 * difference as text for the owner ("Soc: interval_seconds is 30 in the vehicle, 60 in the
 * routes"), cleaned and cut to `size`. A text that is not such an object differs. Any thread. */
bool fr_config_equal(const char *vehicle, const char *routes, char *difference, size_t size);

/* SHA-256 of the configuration as compared above, in lower-case hex. False: not an object. */
bool fr_config_digest(const char *config, char digest[65]);

#endif
