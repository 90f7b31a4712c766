/*
 * load.h - many simulated vehicles at once, and what they saw: for `fleetroute simulate
 * --vehicles` and for tests/bench.
 */
#ifndef FR_LOAD_H
#define FR_LOAD_H

#include <stdint.h>
#include <stdio.h>
#include <sys/socket.h>

#include "sim/test_pki.h"
#include "util/error.h"

struct fr_load_settings {
    const char *host;
    uint16_t port;
    size_t vehicles;
    double rate;   /* messages a second of each vehicle; 0: as fast as the window lets it */
    size_t window; /* unacknowledged messages of a vehicle, at most */
    size_t data;   /* data in a message */
    size_t first;  /* number of the first vehicle: see fr_load_vin() */
    uint32_t sequence_field; /* the field that counts a vehicle's messages from 1; 0: none */
    int64_t reconnect_ms;    /* mean time between two lost connections of a vehicle; 0: none */
    int64_t duration_ms;
    int64_t patience_ms;          /* how long to wait afterwards for what is not acknowledged yet */
    int64_t linger_ms;            /* with rate 0 and window 0: stay connected idle so long */
    FILE *acknowledged;           /* each acknowledged txid, a line each; may be NULL */
    FILE *progress;               /* a line that is rewritten every second; may be NULL */
    void (*connected)(void *ctx); /* all vehicles are; may be NULL */
    void (*second)(void *ctx);    /* every second while it runs; may be NULL */
    void *ctx;
};

struct fr_load_result {
    uint64_t sent, acknowledged, refused, dropped, disconnects, unanswered;
    double seconds;
    double p50_ms, p99_ms; /* from send to acknowledgement */
    double most_ms;
};

/* Run it in the calling thread. -1 and why when not all vehicles could connect. */
int fr_load_run(const struct fr_load_settings *settings, struct fr_pki *pki,
                struct fr_load_result *result, struct fr_error *error);

/* Connect and hang up for so long, `at_once` handshakes at a time. Returns how many succeeded,
 * or -1 and why. */
int64_t fr_load_handshakes(const char *host, uint16_t port, struct fr_pki *pki, size_t at_once,
                           int64_t duration_ms, struct fr_error *error);

/* The VIN of the n-th simulated vehicle. */
void fr_load_vin(size_t n, char vin[18]);

/* host and port as a socket address. -1 and why. */
int fr_load_resolve(const char *host, uint16_t port, struct sockaddr_storage *address,
                    socklen_t *len, struct fr_error *error);

#endif
