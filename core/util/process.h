/* Memory and open files of this process, read from /proc/self. Each function returns 0 if /proc
 * cannot be read. */
#ifndef FR_PROCESS_H
#define FR_PROCESS_H

/* Resident memory in kB. */
long fr_resident_kb(void);

/* Resident memory that is not backed by a file, in kB. */
long fr_anonymous_kb(void);

/* Number of open file descriptors. */
unsigned fr_open_files(void);

#endif
