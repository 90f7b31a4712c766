/* file_remedy.h - what to do about a file that cannot be written; used by the daemon and by plugins. */
#ifndef FR_FILE_REMEDY_H
#define FR_FILE_REMEDY_H

/* What an administrator can do about a failed call on a file, by its errno. */
const char *fr_file_remedy(int code);

#endif
