/* Reserves disk space for the lock file of an LMDB environment. */
#ifndef FR_LOCK_FILE_H
#define FR_LOCK_FILE_H

/* Create the lock file (mode 0640) if necessary and reserve its blocks. Called before
 * mdb_env_open(): LMDB writes to the mapped file, and on a full disk a page without a block raises
 * SIGBUS. Any thread. Returns 0 or an errno value. */
int fr_lock_file_reserve(const char *path);

#endif
