/*
 * keeper.h - who may still read the private key when the daemon itself may not.
 *
 * The key is readable by root alone and is read before privileges are dropped; but a certificate
 * that certbot renews comes with a new key. So a second process stays behind with one capability
 * (CAP_DAC_READ_SEARCH) and one job: open one of the files that `tls:` named at the start, and
 * hand the descriptor over. It ends with the daemon.
 */
#ifndef FR_KEEPER_H
#define FR_KEEPER_H

#include <stddef.h>

#include "guard/privileges.h"
#include "util/error.h"

#define FR_KEEPER_FILES_MAX 8

/* Leave the keeper behind, for these files, as that user (NULL: as ourselves). Once, before any
 * thread is started. -1 and why. */
int fr_keeper_start(const char *const *paths, size_t count, const struct fr_user *user,
                    struct fr_error *error);

/* Open a file for reading; what this process may not open, the keeper does. Returns the
 * descriptor; -1, errno is set. */
int fr_keeper_open(const char *path);

#endif
