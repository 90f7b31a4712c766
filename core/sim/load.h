/*
 * Runs many simulated vehicles in one thread and measures acknowledgements and latency. Used by
 * `fleetroute simulate --vehicles` and tests/bench.
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
    double rate;   /* messages of each vehicle per second; 0: as many as the window allows */
    size_t window; /* max unacknowledged messages of a vehicle; 0 with rate 0: send nothing */
    size_t data;   /* data in a message, at most fr_load_data_max() */
    size_t first;  /* number of the first vehicle: see fr_load_vin() */
    uint32_t sequence_field;      /* this field counts the messages of a vehicle from 1; 0: none */
    int64_t reconnect_ms;         /* mean time between two lost connections of a vehicle; 0: none */
    int64_t duration_ms;          /* from the time at which all vehicles are connected */
    int64_t patience_ms;          /* max wait for acknowledgements after the duration */
    FILE *acknowledged;           /* receives each acknowledged txid as a line; may be NULL */
    FILE *progress;               /* receives a line that is rewritten each second; may be NULL */
    void (*connected)(void *ctx); /* called when all vehicles are connected; may be NULL */
    void (*second)(void *ctx);    /* called each second of the duration; may be NULL */
    void *ctx;
};

struct fr_load_result {
    uint64_t sent, acknowledged;
    uint64_t refused; /* error replies */
    uint64_t dropped; /* messages dropped by vehicles because their buffer was full */
    uint64_t disconnects;
    uint64_t unanswered;           /* messages without a reply at the end */
    double seconds;                /* actual duration */
    double p50_ms, p99_ms, max_ms; /* from send to acknowledgement */
};

/* Run in the calling thread. Vehicles send for the duration, which SIGINT ends early. The run ends
 * when all messages are answered or the patience has passed. -1: not all vehicles could connect
 * within 60 s. */
int fr_load_run(const struct fr_load_settings *settings, struct fr_pki *pki,
                struct fr_load_result *result, struct fr_error *error);

/* The VIN of the simulated vehicle with the number `n` modulo 1,000,000. */
void fr_load_vin(size_t n, char vin[18]);

/* Resolve a host and a port to a socket address. -1: not resolved. */
int fr_load_resolve(const char *host, uint16_t port, struct sockaddr_storage *address,
                    socklen_t *len, struct fr_error *error);

#endif
