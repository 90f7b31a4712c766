/*
 * A batch of values as rows of the wide table: the values of one record become one row, also if they
 * are delivered at different times.
 */
#ifndef FR_POSTGRES_WIDE_H
#define FR_POSTGRES_WIDE_H

#include "postgres/batch.h"

/* A value in a row. */
struct wide_cell {
    const struct fr_delivery *delivery;
    uint32_t row;
    uint32_t next; /* number + 1 of the field's former cell; 0: none */
};

struct wide {
    struct wide_cell *cells;         /* owned, as the others */
    const struct fr_delivery **rows; /* the first delivery of each record */
    struct field **used;             /* the fields of this batch */
    uint32_t *column;                /* cell + 1 of each row of one field; 0: none */
    uint32_t *slots;                 /* row + 1 by hash of the record; 0: empty */
    size_t size, slot_count;         /* of the arrays */
    size_t cell_count, row_count, used_count;
    size_t columns; /* of the used fields */
    uint64_t batch; /* number of the batch */
};

/* Prepare for batches of up to `size` deliveries. False: no memory. */
bool wide_init(struct wide *wide, size_t size);
void wide_free(struct wide *wide);

/* Begin an empty batch. */
void wide_begin(struct wide *wide);

/* Add a delivery. `field`: that of its value; NULL: it has none. False: the batch is full. */
bool wide_add(struct wide *wide, const struct fr_delivery *delivery, struct field *field);

/* Make the statement. False: no memory. */
bool wide_make(struct wide *wide, struct writer *writer, const struct db_location *at);

#endif
