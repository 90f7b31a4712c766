/*
 * The lowest functions of the journal's store, shared by reading, writing and opening.
 *
 * Internal to core/journal. Callers hold a transaction of the store.
 */
#ifndef FR_STORE_BASE_H
#define FR_STORE_BASE_H

#include "journal/store_state.h"

#define FR_STORE_NAME_MAX 255 /* bytes of a cursor's name */

/* The key in `about` that holds the number of dropped records of a cursor. */
#define FR_DROPPED_PREFIX "dropped/"
#define FR_DROPPED_KEY_SIZE (sizeof FR_DROPPED_PREFIX + FR_STORE_NAME_MAX)

/* Write the key for `cursor`, NUL-terminated. */
void fr_store_dropped_key(const char *cursor, char key[FR_DROPPED_KEY_SIZE]);

/* Bytes in pages of records, as seen by `txn`. 0 on an error. */
uint64_t fr_store_pages(const struct fr_store *store, MDB_txn *txn);

/* The sequence number of the first (MDB_FIRST) or last (MDB_LAST) record, 0 for none or on an
 * error. *ms, if not NULL, becomes the record's append time in ms since 1970. */
uint64_t fr_store_edge(const struct fr_store *store, MDB_txn *txn, MDB_cursor_op op, int64_t *ms);

/* The sequence number of the next record, read from the open environment. */
uint64_t fr_store_find_next(struct fr_store *store);

/* Begin a read transaction and take env_lock; fr_store_read_end() ends it. The caller must not
 * block in between: freed pages are not reused, and fr_store_reopen() waits. Returns 0, or -1 with
 * `error` set. */
int fr_store_read_begin(struct fr_store_reader *reader, struct fr_error *error);
void fr_store_read_end(struct fr_store_reader *reader);

#endif
