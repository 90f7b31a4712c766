/*
 * Opening the journal's store: an LMDB environment with three databases.
 *
 *   records  sequence number -> stored record (stored_record.h)
 *   cursors  sink's name -> the first sequence number that the sink has not completed, and when
 *            the cursor moved (ms since 1970)
 *   about    "format" -> the version of this layout
 *            "dropped/NAME" -> records deleted before cursor NAME had passed them
 *            "ended_well", "reopened" -> numbers of journal.c and commit.c
 *
 * Numbers are 64 bits wide, in the byte order of the machine.
 *
 * LMDB never overwrites a page that the last commit refers to. After kill -9 or a power cut the
 * file holds the last commit, and opening it needs no repair. One thread at a time writes
 * (store_write.h); any number of threads and processes read (store_read.h).
 *
 * A folder that holds other files, or a damaged file, is never changed by these functions.
 */
#ifndef FR_STORE_OPEN_H
#define FR_STORE_OPEN_H

#include <stdbool.h>
#include <stdint.h>

#include "util/error.h"

struct fr_store;

/* Open the journal in folder `path` for the daemon and lock the folder; create both if necessary.
 * `size` is the number of bytes of records to make space for; the file may grow to a quarter and
 * 64 MB more. Pruning is the caller's task. The caller closes the store. Returns NULL with `error`
 * set. */
struct fr_store *fr_store_open(const char *path, uint64_t size, struct fr_error *error);

/* Open an existing journal beside a daemon for reading; or, with read_only false, to move a cursor
 * while no daemon runs (locks the folder). The caller closes the store. Returns NULL with `error`
 * set. */
struct fr_store *fr_store_open_readonly(const char *path, bool read_only, struct fr_error *error);

/* Open an existing journal for a check. With `writable` the caller holds the folder's lock. The
 * caller closes the store. Returns NULL with `error` set. */
struct fr_store *fr_store_inspect(const char *path, bool writable, struct fr_error *error);

/* Whether the folder has a data.mdb, in whatever state. */
bool fr_store_exists(const char *path);

/* Lock the folder against daemons and against tools that write. Returns a descriptor for the
 * caller to close, or -1 with `error` set. */
int fr_store_lock(const char *path, struct fr_error *error);

/* Close the environment and open it again with space for `size` bytes of records. Transactions of
 * readers end, and begin again with the readers' next use. Data that a failed write left in the
 * page cache is on disk afterwards. Waits for the open write transaction. Returns 0, or -1 with
 * `error` set: nothing can be read or written until a later call succeeds. */
int fr_store_reopen(struct fr_store *store, uint64_t size, struct fr_error *error);

/* Close the store and release the lock; NULL is allowed. No reader and no transaction of another
 * thread may exist. */
void fr_store_close(struct fr_store *store);

#endif
