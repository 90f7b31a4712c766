/* tail_repair.h - the end of a file that a crash left in the middle of a record. */
#ifndef TAIL_REPAIR_H
#define TAIL_REPAIR_H

#include <stdbool.h>

/* Make the file end with a whole record: an unfinished line is ended, an unfinished
 * length-delimited message is cut off. Returns 1 when it had to, 0 when not, -1 on error. */
int fr_tail_repair(int fd, bool binary);

#endif
