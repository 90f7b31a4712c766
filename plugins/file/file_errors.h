/*
 * Classification of errno values of file operations, and the remedies for error messages. The
 * functions may be called on any thread.
 */
#ifndef FR_FILE_ERRORS_H
#define FR_FILE_ERRORS_H

#include <stdbool.h>

/* Whether an errno value can be caused by a single path. */
bool fr_file_error_is_of_path(int error);

/* Whether the folder that all files of a pattern share is usable, so that an error is caused by a
 * single path. False for a pattern without conversions, which has one path only. Changes errno. */
bool fr_file_root_is_usable(const char *pattern);

/* The remedy, as text with a leading space in parentheses, to append to a message; "": none
 * known. */
const char *fr_file_error_remedy(int error);

#endif
