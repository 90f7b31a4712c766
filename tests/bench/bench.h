/* What all rows of the benchmark share: the command line and the test CA. Constant after main() has
 * read the command line. */
#ifndef BENCH_H
#define BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sim/test_pki.h"

#define BENCH_PROCESSES_MAX 16

struct bench {
    char folder[512];   /* of all files of the run; deleted at the end */
    const char *kafka;  /* HOST:PORT; NULL: no rows with Kafka */
    const char *only;   /* the group of rows to run; NULL: the default ones */
    const char *load;   /* part of the label of the fleet loads to run; NULL: all */
    int64_t ms;         /* duration of a row; 0: the default of its group */
    size_t vehicles;    /* of the groups storm and fleet60k; 0: their default */
    unsigned processes; /* of fleet60k */
    double rate;        /* of fleet60k, messages of each vehicle per second */
    struct fr_pki *pki;
};

extern struct bench bench;

/* --seconds, or this default. */
int64_t bench_ms(int64_t default_ms);

#endif
