/*
 * The telemetry configuration that a server pushed to a vehicle, as `fleetroute simulate --config`
 * reads it: the object with hostname, port, ca, fields and exp that `fleetroute vehicle-config
 * --json` writes as member "config".
 *
 * Source of the format: Tesla's fleet_telemetry_config endpoint. The text is not trusted: its size,
 * its counts and its numbers are bounded. A configuration is constant after it was parsed.
 */
#ifndef FR_PUSHED_CONFIG_H
#define FR_PUSHED_CONFIG_H

#include <openssl/ssl.h>
#include <stddef.h>
#include <stdint.h>

#include "record/field_catalogue.h"
#include "util/error.h"

/* Max size of a configuration, in bytes. */
#define FR_PUSHED_CONFIG_MAX (1024 * 1024)
/* Max fields of a configuration, unknown ones included, and max certificates of its `ca`. */
#define FR_PUSHED_FIELDS_MAX 4096
#define FR_PUSHED_CERTIFICATES_MAX 64

struct fr_pushed_field {
    const struct fr_field *field;
    int64_t interval_ms;  /* from 1000 */
    double minimum_delta; /* in the unit on the wire, metres for a location; 0: any change */
    int64_t resend_ms;    /* 0: an unchanged value is not sent again */
};

struct fr_pushed_config {
    char *hostname; /* letters, digits, '.', '-' and ':' only */
    uint16_t port;
    char *ca;          /* PEM */
    int64_t expires_s; /* seconds since 1970; 0: never */
    struct fr_pushed_field *fields;
    size_t count;
    size_t unknown; /* fields that are not in the catalogue; a vehicle ignores them */
};

/* Parse a configuration, or an object with a configuration as member "config". The caller frees it
 * with fr_pushed_config_free(). NULL: the cause is in *error, without text of the configuration. */
struct fr_pushed_config *fr_pushed_config_parse(const char *text, size_t len,
                                                struct fr_error *error);

/* The same for a file. */
struct fr_pushed_config *fr_pushed_config_read(const char *path, struct fr_error *error);

/* NULL is ignored. */
void fr_pushed_config_free(struct fr_pushed_config *config);

/* Let a client context trust the certificates of `ca` and no others, and demand that a server's
 * certificate is valid for `hostname`. -1: `ca` has no certificate, or a damaged one. */
int fr_pushed_config_trust(const struct fr_pushed_config *config, SSL_CTX *context,
                           struct fr_error *error);

#endif
