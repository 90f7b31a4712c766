/*
 * A batch of deliveries as one statement that inserts its rows into one table. Each table has a key
 * that comes from the record itself, so that a row which is sent again is inserted once:
 * vehicle, time and txid, and in the narrow table the field.
 *
 * A writer belongs to one thread.
 */
#ifndef FR_POSTGRES_BATCH_H
#define FR_POSTGRES_BATCH_H

#include "delivery_list.h"
#include "postgres/fields.h"
#include "postgres/parameters.h"

struct writer {
    struct fr_sink *sink; /* for calls of `host` */
    const struct fr_host *host;
    struct fr_text_buffer sql;
    struct parameters parameters;
    const struct fr_delivery **sorted; /* of a batch for the narrow table; owned */
    size_t sorted_size;
};

void writer_free(struct writer *writer);

/* The table of a delivery. TABLE_WIDE stands for the table of values of each layout. */
enum db_table batch_table(const struct fr_delivery *delivery, bool narrow);

/* Make the statement of a batch for any table but the wide one, from `deliveries`, which stays as it is.
 * Without `repeated`, the statement for the narrow table fails (SQLSTATE 23505) if one of its rows is
 * there already, and costs the server less. False: no memory. */
bool writer_make(struct writer *writer, const struct db_location *at, enum db_table table,
                 const struct delivery_list *deliveries, bool repeated);

/* Append "INSERT INTO table AS t (columns) SELECT * FROM unnest($1::…[], …)" with the arrays of
 * vin, time, txid and received_at in front; `columns` are the others. For the makers of statements. */
void writer_insert(struct writer *writer, const struct db_location *at, enum db_table table,
                   const char *columns);

#endif
