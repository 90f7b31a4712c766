/* lock_file.h - the lock file of an LMDB environment, with room on the disk. */
#ifndef FR_LOCK_FILE_H
#define FR_LOCK_FILE_H

/* Make the lock file (mode 0640) if it is not there, and reserve its blocks; before mdb_env_open().
 * LMDB maps it and writes into it: where a page gets no block because the disk is full, the kernel
 * kills the process (SIGBUS). Returns an errno, 0: done. */
int fr_lock_file_reserve(const char *path);

#endif
