/*
 * The parameters of a statement that inserts many rows: one array for each column. The memory is used
 * again for the next statement. A set of parameters belongs to one thread; a zeroed one is empty.
 */
#ifndef FR_POSTGRES_PARAMETERS_H
#define FR_POSTGRES_PARAMETERS_H

#include <stddef.h>
#include <stdint.h>

#include "fleetroute/plugin.h"
#include "postgres/array.h"

#define PARAMETERS_ARRAYS_MAX 1600 /* columns of a table of PostgreSQL */

struct parameters {
    struct db_array *arrays; /* owned */
    size_t count, size;
    bool failed; /* no memory, or too many arrays */
};

void parameters_free(struct parameters *parameters);

/* Forget all arrays, and keep their memory. */
void parameters_clear(struct parameters *parameters);

/* Begin an array and return its number. Number 0 stands for any array after a failure, when nothing may
 * be appended: the caller checks `failed`. */
size_t parameters_begin(struct parameters *parameters, enum db_type type);

/* End all arrays. False: a part of them failed. */
bool parameters_end(struct parameters *parameters);

/* Begin the arrays vin, time, txid and received_at, and append these of a delivery. The time is that of
 * the vehicle; without one, or beyond the years 1 to 9999, that of the receipt. A txid that is not
 * printable ASCII is written as in fleetroute's JSON: "hex:" and hexadecimal digits. */
void parameters_begin_who(struct parameters *parameters);
void parameters_add_who(struct parameters *parameters, const struct fr_delivery *delivery);

/* The time of a delivery's row, in milliseconds since 1970. */
int64_t parameters_time_ms(const struct fr_delivery *delivery);

#endif
