/*
 * The trip of `fleetroute simulate`: one vehicle sends the data of sim/trip.h to a daemon.
 */
#ifndef FR_SIMULATE_TRIP_H
#define FR_SIMULATE_TRIP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sim/pushed_config.h"
#include "sim/test_pki.h"
#include "util/error.h"

/* The command line of `fleetroute simulate`. The texts are not owned; NULL: not given. */
struct simulate_arguments {
    const char *pki, *host, *export, *flaw, *connect, *vin, *acknowledged, *config;
    bool pki_only, quiet, overlap, redact, help;
    double home[2];   /* latitude and longitude in degrees */
    double speed;     /* factor */
    double tunnel[2]; /* start and duration of the tunnel, in s of trip time; duration 0: none */
    size_t vehicles;  /* 0: a trip of one vehicle */
    double rate;      /* messages per second of each vehicle */
    size_t window, data, first;
    size_t sequence_field;                /* a field's number; 0: none */
    double duration, patience, reconnect; /* s */
};

/* Drive the trip in the calling thread until it ends or SIGINT; prints the progress to standard
 * error and the result to standard output. `config` is the configuration that was pushed to the
 * vehicle; NULL: every field of the trip is sent. -1: the trip did not end, or the vehicle refused
 * to connect as `config` requires. */
int fr_simulate_trip(const struct simulate_arguments *a, struct fr_pki *pki,
                     const struct fr_pushed_config *config, const char *host, uint16_t port,
                     struct fr_error *error);

#endif
