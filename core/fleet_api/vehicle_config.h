/*
 * The telemetry configuration of vehicles, derived from the routes of routing.yaml: which fields a
 * vehicle sends and how often. vehicle_config_lint.h checks it, vehicle_cost.h estimates its price.
 *
 * Source of the format: Tesla's fleet_telemetry_config endpoint as its vehicle-command proxy takes
 * it. One thread at a time uses a configuration.
 */
#ifndef FR_VEHICLE_CONFIG_H
#define FR_VEHICLE_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/routing_types.h"
#include "record/field_catalogue.h"
#include "util/error.h"

/* Firmware that first takes a configuration signed by its owner, without a CSR. */
#define FR_VEHICLE_FIRMWARE_MIN "2024.26"
/* Firmware that first takes minimum_delta of numbers, and resend_interval_seconds. */
#define FR_VEHICLE_FIRMWARE_DELTA "2024.44.32"
/* Firmware that first takes minimum_delta of locations. */
#define FR_VEHICLE_FIRMWARE_LOCATION_DELTA "2025.2.6"

/* A field whose interval is at least this long is also resent unchanged, so that the last value
 * before the vehicle sleeps does not arrive hours later. In seconds. */
#define FR_VEHICLE_SLOW_INTERVAL_S 60
#define FR_VEHICLE_RESEND_S 3600
/* Interval of every field if only whole records are routed. */
#define FR_VEHICLE_RECORD_INTERVAL_S 60

struct fr_vehicle_config_field {
    const struct fr_field *field;
    int32_t interval_s;   /* from 1 */
    double minimum_delta; /* in the unit on the wire, metres for a location; 0: not sent */
    int32_t resend_s;     /* 0: not sent */
    bool by_name;         /* a route names the field; false: from "*" or a category */
    bool raised;          /* minimum_delta is greater than that of the routes: the field needs it */
    bool delta_dropped;   /* a vehicle's firmware does not take the minimum_delta of the routes */
    int line, column;     /* of the route that decides the interval, in routing.yaml */
    const char *firmware; /* first firmware for the field and its keys; "": unknown */
};

struct fr_vehicle_config {
    struct fr_vehicle_config_field *fields; /* in the order of their numbers */
    size_t count;
    bool alerts;       /* alerts are routed */
    bool from_records; /* without a field route: every field, because whole records are routed */
};

/* What the routes do not contain. Not owned. */
struct fr_vehicle_config_server {
    const char *hostname;
    uint16_t port;
    const char *ca; /* PEM */
};

/* Derive the configuration from the routes. The caller frees it with fr_vehicle_config_free(). */
void fr_vehicle_config_derive(struct fr_vehicle_config *config, const struct fr_routing *routing);
void fr_vehicle_config_free(struct fr_vehicle_config *config);

/* Returns the body of the request, {"vins": …, "config": …}, as JSON with sorted keys and a final
 * newline; the same input gives the same bytes. The caller frees it. NULL: the cause is in
 * *error. */
char *fr_vehicle_config_json(const struct fr_vehicle_config *config,
                             const struct fr_routing *routing,
                             const struct fr_vehicle_config_server *server, struct fr_error *error);

/* Returns the inner object of the body, `config`, as compact JSON with sorted keys. The caller frees
 * it. NULL: the cause is in *error. */
char *fr_vehicle_config_object(const struct fr_vehicle_config *config,
                               const struct fr_vehicle_config_server *server,
                               struct fr_error *error);

#endif
