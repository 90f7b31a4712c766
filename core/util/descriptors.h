/* descriptors.h - how many file descriptors this process may have. */
#ifndef FR_DESCRIPTORS_H
#define FR_DESCRIPTORS_H

#include <stddef.h>

/* Raise the soft limit of open files (RLIMIT_NOFILE) to the hard one. */
void fr_descriptors_raise(void);

/* The soft limit. */
size_t fr_descriptors_limit(void);

/* How many of them vehicles' connections may take up. The rest, 256 or half of a small limit, is
 * for the admin and control sockets, the journal, sinks, and files that are read again. */
size_t fr_descriptors_for_vehicles(void);

#endif
