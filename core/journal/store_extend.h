/*
 * Extends data.mdb ahead of its use.
 *
 * A write beyond the end of a file changes the file's size and its list of blocks, and fdatasync(2)
 * must write both: two to four more writes to the disk for each commit of the journal. So the file
 * gets zeros behind its last used page, a megabyte at a time. LMDB does not read them.
 */
#ifndef FR_STORE_EXTEND_H
#define FR_STORE_EXTEND_H

struct fr_store;

/* Write zeros behind the used part of data.mdb if less than half of FR_STORE_EXTEND_BYTES is left.
 * A failure is ignored: the commit that needs the space reports it. Only the thread that writes to
 * the store, outside of a transaction. */
void fr_store_extend(struct fr_store *store);

#define FR_STORE_EXTEND_BYTES (1u << 20)

#endif
