/*
 * Compares the telemetry configuration that a vehicle has with the one that the routes need.
 */
#ifndef FR_CONFIG_COMPARE_H
#define FR_CONFIG_COMPARE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Whether two configurations (JSON objects) mean the same to a vehicle. Only hostname, port, ca,
 * delivery_policy, alert_types and fields count. An unknown member of Tesla's answer is no
 * difference, so that it cannot cause endless pushes. The order of keys and of alert types, the
 * spelling of numbers beyond 6 digits, the case of the host name, white space in `ca`, and members
 * that are null, 0 or empty where they may be absent do not count. If the configurations differ,
 * `difference` gets the first difference as text for the owner ("Soc: interval_seconds is 30 in the
 * vehicle, 60 in the routes"), printable ASCII, cut to `size`. A text that is not such an object
 * differs. Linear work. Any thread. */
bool fr_config_equal(const char *vehicle, const char *routes, char *difference, size_t size);

/* SHA-256 of the configuration as compared above, without `ca`, in lower-case hex: different lists of
 * CA certificates can verify the same server. False: not an object. */
bool fr_config_digest(const char *config, char digest[65]);

/* The claim `exp` of a configuration, in s since 1970; 0: none. */
int64_t fr_config_exp(const char *config);

/* Whether the configuration has the claim `iss` and it is not this. The text is base64 of the public
 * key of the signer. */
bool fr_config_is_of_other_key(const char *config, const char *issuer);

#endif
