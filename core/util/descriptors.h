/* Limits on the number of open file descriptors of this process. */
#ifndef FR_DESCRIPTORS_H
#define FR_DESCRIPTORS_H

#include <stddef.h>

/* Raise the soft limit of open files (RLIMIT_NOFILE) to the hard limit. Failure is ignored: the
 * limit in force is read by fr_descriptors_limit(). */
void fr_descriptors_raise(void);

/* Returns the soft limit of open files; 1024 if the kernel does not report it. */
size_t fr_descriptors_limit(void);

/* Returns the number of descriptors that vehicle connections may use. The others, 320 or half of a
 * small limit, are reserved for clients without a certificate, the admin and control sockets, the
 * journal, sinks, and configuration files that a reload opens; and those of streams. */
size_t fr_descriptors_for_vehicles(void);

/* Returns the number of reserved descriptors for clients without a certificate: 64, or a fifth of
 * the reserved ones if the limit is small. */
size_t fr_descriptors_without_certificate(void);

/* Returns the number of reserved descriptors for streams of records of the admin listener: 256; with a
 * limit below 8192 at most 32, which the others then share. */
size_t fr_descriptors_for_streams(void);

#endif
