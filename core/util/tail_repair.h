/* tail_repair.h - the end of a file that a crash left in the middle of a record. */
#ifndef FR_TAIL_REPAIR_H
#define FR_TAIL_REPAIR_H

#include <stdbool.h>

/* Make the file end with a whole record: half a line of JSON and half a length-delimited message are
 * cut off, a whole line that only lacks its end gets it. Returns 1 when it had to, 0 when not, -1 on error. */
int fr_tail_repair(int fd, bool binary);

#endif
