/*
 * Opening the last values' store, and deleting a file that may be torn or damaged.
 *
 * The file "state" in the store's folder holds the boot id of the machine while the store is open,
 * and "closed well" afterwards. With another boot id the machine went down while the store was
 * open, and the file may be torn. Nothing is lost: the journal restores the values.
 */
#ifndef FR_VALUE_STORE_OPEN_H
#define FR_VALUE_STORE_OPEN_H

#include <stdbool.h>

#include "util/error.h"

struct fr_value_store;

/* Open the store in `folder`; create both if necessary. *fresh: the store is empty because it is
 * new, or was damaged or torn. The caller closes the store. Returns NULL with `error` set. */
struct fr_value_store *fr_value_store_open(const char *folder, bool *fresh, struct fr_error *error);

/* Synchronise the store to disk and close it; NULL is allowed. No other thread uses the store. */
void fr_value_store_close(struct fr_value_store *store);

/* After a failed write: reopen the file if that can help; replace a damaged file by an empty one
 * (*fresh). Readers wait. Writing thread only. Returns 0, or -1 with `error` set: the caller may
 * try again. */
int fr_value_store_recover(struct fr_value_store *store, bool *fresh, struct fr_error *error);

#endif
