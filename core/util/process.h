/* process.h - what the kernel says of this process. */
#ifndef FR_PROCESS_H
#define FR_PROCESS_H

/* Resident memory in kB; 0 when /proc cannot be read. */
long fr_resident_kb(void);

/* Resident memory in kB that belongs to no file; 0 when /proc cannot be read. */
long fr_anonymous_kb(void);

/* Open file descriptors; 0 when /proc cannot be read. */
unsigned fr_open_files(void);

#endif
