/* Remedies for failed file operations. The daemon and plugins print them behind the error. */
#ifndef FR_FILE_REMEDY_H
#define FR_FILE_REMEDY_H

/* Returns what an administrator can do about a file operation that failed with `code` (an errno
 * value): a static text in the imperative, without a full stop. */
const char *fr_file_remedy(int code);

#endif
