/* Repairs the end of an output file that was open when the process or the machine crashed. */
#ifndef FR_TAIL_REPAIR_H
#define FR_TAIL_REPAIR_H

#include <stdbool.h>

/* Make the file end with a complete record. `binary`: the file consists of length-delimited
 * protobuf messages, else of lines with one JSON object each. An incomplete record is cut off; it
 * was not confirmed, so it is delivered again. A complete line without a line feed gets one.
 * Returns 1 if the file was changed, 0 if not, -1 on error with errno set. The file must be open
 * for reading and for appending. */
int fr_tail_repair(int fd, bool binary);

#endif
