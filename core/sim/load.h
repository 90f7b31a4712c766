/*
 * Runs many simulated vehicles in one thread and measures acknowledgements and delays. Used by
 * `fleetroute simulate --vehicles` and tests/bench.
 *
 * fr_load_run() is one run. The other functions are its parts, for a run with several phases on the
 * same connections; vehicles are served only while one of them runs. All functions of a load are
 * called by one thread.
 */
#ifndef FR_LOAD_H
#define FR_LOAD_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/socket.h>

#include "sim/test_pki.h"
#include "util/error.h"

struct fr_load;

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
    size_t connecting;            /* max vehicles that connect at the same time; 0: 50 */
    int64_t connect_ms;           /* max time until all vehicles are connected; 0: 60 s */
    unsigned sources;             /* source addresses 127.0.1.1 and following; 0: not bound */
    bool from_due;                /* measure paced messages from when they were due: see below */
    bool hold_reconnect;          /* reconnect only in fr_load_connect() and fr_load_storm() */
    FILE *acknowledged;           /* receives each acknowledged txid as a line; may be NULL */
    uint32_t *last_acknowledged;  /* for each vehicle the highest number, from 1, of an acknowledged
                                   * message; may be NULL */
    FILE *progress;               /* receives a line that is rewritten each second; may be NULL */
    void (*connected)(void *ctx); /* called when all vehicles are connected; may be NULL */
    void (*second)(void *ctx);    /* called each second of the duration; may be NULL */
    void *ctx;
};

/* The delay of a message is measured from the last time at which it was sent to its acknowledgement.
 * With from_due, it is measured from the time at which it was due, so that a pause of the server or
 * of the generator, in which messages are sent late, is part of the delay. */
struct fr_load_result {
    uint64_t sent, acknowledged;
    uint64_t refused; /* error replies */
    uint64_t dropped; /* messages dropped by vehicles because their buffer was full */
    uint64_t disconnects;
    uint64_t unanswered;           /* messages without a reply at the end */
    double seconds;                /* actual duration */
    double p50_ms, p99_ms, max_ms; /* delay of the acknowledgements */
    double late_p99_ms;            /* from the time a message was due until it was created */
    unsigned silent_seconds;       /* seconds of the duration without an acknowledgement */
    double max_gap_ms;             /* longest time between two acknowledgements */
};

/* Vehicles send for the duration, which SIGINT ends early. The run ends when all messages are
 * answered or the patience has passed. -1: not all vehicles could connect within connect_ms. */
int fr_load_run(const struct fr_load_settings *settings, struct fr_pki *pki,
                struct fr_load_result *result, struct fr_error *error);

/* Make the vehicles, which are offline. What `settings` refers to must outlive the load; the struct
 * itself is copied. The caller frees the load. NULL: `error` is set. */
struct fr_load *fr_load_new(const struct fr_load_settings *settings, struct fr_pki *pki,
                            struct fr_error *error);

/* Disconnect the vehicles and free them. NULL is ignored. */
void fr_load_free(struct fr_load *load);

/* Connect all vehicles. -1: not all could connect within settings.connect_ms. */
int fr_load_connect(struct fr_load *load, struct fr_error *error);

struct fr_load_phase {
    double rate; /* messages of each vehicle per second; 0: as settings.window requires */
    int64_t duration_ms, patience_ms;
};

/* One phase of sending. Paced messages of the fleet are due at equal distances, vehicle after
 * vehicle, so each vehicle sends at its own part of the interval. settings.connected is called at
 * the begin. */
void fr_load_send(struct fr_load *load, const struct fr_load_phase *phase,
                  struct fr_load_result *result);

/* The VIN of the simulated vehicle with the number `n` modulo 1,000,000. */
void fr_load_vin(size_t n, char vin[18]);

/* Resolve a host and a port to a socket address. -1: not resolved. */
int fr_load_resolve(const char *host, uint16_t port, struct sockaddr_storage *address,
                    socklen_t *len, struct fr_error *error);

#endif
