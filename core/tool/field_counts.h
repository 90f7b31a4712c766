/*
 * Counts the values of each field in the journal. Main thread.
 */
#ifndef FR_FIELD_COUNTS_H
#define FR_FIELD_COUNTS_H

#include <stdint.h>

#include "util/error.h"

struct fr_field_counts {
    uint64_t *values; /* by field number, fr_field_count() of them */
    uint64_t others;  /* of fields outside the catalogue */
    uint64_t damaged; /* records that cannot be read */
    uint64_t next;    /* number of the record after the last one read */
    int64_t first_ms; /* append times of the first and the last record, ms since 1970; 0: none */
    int64_t last_ms;
};

/* Read the journal in folder `path` from record `from` on (0: all of it), beside a daemon or without
 * one. Records that no longer exist are not counted. A `from` beyond the newest record reads all of it,
 * because the journal was replaced. Returns 0, or -1 with `error` set. The caller frees the counts in
 * both cases. */
int fr_field_counts_read(struct fr_field_counts *counts, const char *path, uint64_t from,
                         struct fr_error *error);

void fr_field_counts_free(struct fr_field_counts *counts);

#endif
