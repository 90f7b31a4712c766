/* Prints the rows of the benchmark, and writes each as a JSON object to the file of --json. */
#ifndef BENCH_REPORT_H
#define BENCH_REPORT_H

#include <jansson.h>
#include <stdbool.h>

#include "sim/load.h"

/* One row of a load. */
struct report_row {
    const char *group; /* the word of --only */
    const char *load;  /* such as "100 x 10/s" */
    const char *name;  /* such as "journal, Kafka" */
    double cpu_s;      /* of the server, until all records were delivered */
    double of_floor;   /* acknowledged per CPU-second, divided by that of the floor; 0: no floor */
    double drain_s;    /* from the last acknowledgement until all records were delivered */
    double max_mb;     /* resident */
    bool from_due;     /* how the delays were measured */
    bool delivered;    /* all records were delivered before the limit */
    struct fr_load_result result;
};

/* Append rows to this file; NULL: none. -1: it cannot be opened. */
int report_open(const char *path);

/* The heading above rows of loads; `from_due` as in the rows. */
void report_heading(bool from_due);

void report_row(const struct report_row *row);

/* Write a row of another kind to the file; `values` is released. Such a row is printed by the
 * caller. */
void report_json(const char *group, const char *load, const char *name, json_t *values);

#endif
