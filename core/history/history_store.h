/*
 * The file of the history: transactions, rows, and the number of the next record to read.
 *
 * The number is written in the transaction that writes what was read before it, so that after a kill
 * no record counts twice. One thread writes, any number read. Internal to core/history.
 */
#ifndef FR_HISTORY_STORE_H
#define FR_HISTORY_STORE_H

#include "history/history_key.h"
#include "history/history_vehicles.h"
#include "journal/unsynced_env.h"

struct fr_history_store {
    struct fr_unsynced_env file;
    uint64_t size; /* the setting: bytes in pages; the file may be a quarter larger */
};

/* Open the file in `folder`; see fr_unsynced_open(). */
int fr_history_store_open(struct fr_history_store *store, const char *folder, uint64_t size,
                          bool *fresh, struct fr_error *error);

/* See fr_unsynced_close() and fr_unsynced_recover(). */
void fr_history_store_close(struct fr_history_store *store);
int fr_history_store_recover(struct fr_history_store *store, bool *fresh, struct fr_error *error);

/* ---- writing; the writing thread only -------------------------------------------- */

struct fr_history_txn {
    struct fr_history_store *store;
    MDB_txn *txn;
    uint64_t used; /* bytes in pages at the begin */
};

/* Begin, commit and abort a write transaction. Begin and commit return 0 or an LMDB code, which is
 * also stored for fr_unsynced_recover(). A failed commit has aborted. */
int fr_history_begin(struct fr_history_store *store, struct fr_history_txn *txn);
int fr_history_commit(struct fr_history_txn *txn);
void fr_history_abort(struct fr_history_txn *txn, int code);

/* Read, write or delete a row. `vehicle` is the vehicle of the key; its number of bytes is kept up
 * to date. Return 0 or an LMDB code; MDB_NOTFOUND: there is no such row. Deleting a row that does
 * not exist is no error. *is_new, if not NULL: the row did not exist. */
int fr_history_get(struct fr_history_txn *txn, const struct fr_history_key *key, MDB_val *data);
int fr_history_put(struct fr_history_txn *txn, struct fr_history_vehicle *vehicle,
                   const struct fr_history_key *key, const struct fr_buffer *row, bool *is_new);
int fr_history_delete(struct fr_history_txn *txn, struct fr_history_vehicle *vehicle,
                      const struct fr_history_key *key);

/* Store the number of the next record to read. Returns 0 or an LMDB code. */
int fr_history_put_next(struct fr_history_txn *txn, uint64_t next);

/* ---- reading; any thread --------------------------------------------------------- */

/* Read the number of the next record; 0: none is stored. Returns 0, or -1 with `error` set. */
int fr_history_read_next(struct fr_history_store *store, uint64_t *next, struct fr_error *error);

/* Call each() for the row of each vehicle. each() must not block. Returns 0, or -1 with `error`
 * set. */
int fr_history_read_vehicles(struct fr_history_store *store,
                             void (*each)(void *ctx, const char *vin,
                                          const struct fr_vehicle_row *row),
                             void *ctx, struct fr_error *error);

/* A read transaction with a cursor. Between begin and end the thread must not block: a writer may
 * wait to replace the file. */
struct fr_history_reading {
    struct fr_history_store *store;
    MDB_txn *txn;
    MDB_cursor *cursor;
    struct fr_history_key key; /* of the current row */
    MDB_val data;              /* of the current row; valid until end */
};

/* Begin a read transaction. Returns 0, or -1 with `error` set. fr_history_read_end() ends it. */
int fr_history_read_begin(struct fr_history_store *store, struct fr_history_reading *reading,
                          struct fr_error *error);
void fr_history_read_end(struct fr_history_reading *reading);

/* Move to the first row from `key` on, to the next row, or to the row before. Rows with an invalid
 * key are skipped. Returns false if there is none, or if the page is damaged. */
bool fr_history_read_from(struct fr_history_reading *reading, const struct fr_history_key *key);
bool fr_history_read_following(struct fr_history_reading *reading);
bool fr_history_read_before(struct fr_history_reading *reading, const struct fr_history_key *key);

#endif
