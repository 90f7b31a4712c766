/* Compares what vehicles had acknowledged with what the file sink has delivered. */
#ifndef BENCH_ARCHIVE_CHECK_H
#define BENCH_ARCHIVE_CHECK_H

#include <stddef.h>
#include <stdint.h>

struct archive_check {
    uint64_t acknowledged; /* sum over the vehicles */
    uint64_t lost;         /* messages up to a vehicle's last acknowledged one that are not there */
    uint64_t repeated;     /* lines with a message that was there before */
    uint64_t out_of_order; /* lines with a lower number than the line before of the same vehicle */
};

/* Read a file of the file sink with the vehicles `first` to first + count - 1 of fr_load_vin(), and
 * add to `check`. `last` has the number of each vehicle's last acknowledged message, from 1; the
 * txid has this number, from 0. -1: the file cannot be read. */
int archive_check(const char *path, size_t first, size_t count, const uint32_t *last,
                  struct archive_check *check);

#endif
