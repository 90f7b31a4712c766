/*
 * Types that the public functions and the state of a sink share: the environment and the status.
 */
#ifndef FR_SINK_TYPES_H
#define FR_SINK_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fleetroute/plugin.h"
#include "route/program.h"

struct fr_journal;
struct fr_values;

/* The daemon's objects that a sink uses. */
struct fr_sink_env {
    struct fr_journal *journal;     /* NULL: `journal: off` */
    struct fr_values *values;       /* NULL: no last values are kept */
    const char *dead_letters;       /* folder of the dead-letter files */
    void (*on_writable)(void *ctx); /* called on the sink's thread: a full queue has capacity */
    void *ctx;
};

/* Upper bounds in ms of the classes of the delay histogram; the last class has no bound. The delay
 * of a delivery is the time from when it was due (the receipt of its record, or the end of the
 * window of its value) until the plugin reported FR_DONE. */
#define FR_DELAY_BOUNDS                                                                            \
    {                                                                                              \
        1, 2, 3, 4, 5, 7, 10, 15, 20, 30, 50, 70, 100, 150, 200, 300, 500, 700, 1000, 2000, 5000,  \
            10000, 30000, 60000                                                                    \
    }
#define FR_DELAY_CLASSES 25

struct fr_sink_status {
    const char *name; /* valid until fr_sink_free() */
    const char *plugin;
    enum fr_health health;
    char why[512];         /* the reason of `health` */
    bool paused;           /* by an administrator */
    char last_error[256];  /* the newest reason of a health that was not FR_HEALTH_UP; "": none */
    int64_t last_error_ms; /* wall clock: when last_error was set */
    size_t unfinished;     /* journal: deliveries in flight; queue: records not finished */
    size_t unfinished_bytes;
    bool from_journal;
    uint64_t cursor; /* the first record not finished; values that wait for windows count */
    uint64_t lag;    /* committed records that are not delivered. Records of which only values wait
                      * for windows do not count. */
    uint64_t deleted_undelivered; /* fr_cursor_dropped(); 0 without a journal */
    uint64_t received;            /* records */
    uint64_t delivered;           /* deliveries */
    uint64_t retried;             /* FR_RETRY outcomes: the peer was away */
    uint64_t failed;              /* FR_FAILED outcomes */
    uint64_t refused;             /* FR_REFUSED outcomes */
    size_t retrying;              /* pairs of vehicle and record type with failed deliveries */
    uint64_t dead_letters;
    uint64_t dropped;   /* records dropped because the queue was full */
    uint64_t replaced;  /* values replaced by a newer one in `delivery: latest` */
    int64_t overdue_ms; /* age of the oldest delivery that is due and not complete; 0: none */
    uint64_t delays[FR_DELAY_CLASSES];
    uint64_t delay_sum_ms;
    struct fr_program_counts program;
};

#endif
