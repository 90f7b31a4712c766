/*
 * check_access.h - whether a user can read or write files, as the daemon will after it has switched
 * to that user. Root tries it in a child process that becomes the user. Another user than root
 * evaluates the permission bits; access control lists are then not considered.
 */
#ifndef FR_CHECK_ACCESS_H
#define FR_CHECK_ACCESS_H

#include <stdbool.h>
#include <stddef.h>

#include "privsep/privileges.h"
#include "util/error.h"

struct fr_check_access {
    const char *path; /* absolute, without symbolic links; borrowed */
    bool write;       /* create files in this folder; else: read this file */
    int code;         /* result: 0, or an errno value */
    size_t refused;   /* result, with EACCES: bytes of `path` up to the folder that cannot be
                       * searched; 0: the file or folder itself refuses */
};

/* Fill in the results of `count` files for `user`. A folder that does not exist stands for its
 * nearest existing parent. Returns 0, or -1 with `error` set: the user cannot be assumed. */
int fr_check_access(struct fr_check_access *files, size_t count, const struct fr_user *user,
                    struct fr_error *error);

#endif
