/*
 * key_reader.h - a helper process that opens the TLS files after the daemon has dropped privileges.
 *
 * Only root can read the private key. The daemon reads the key before it drops privileges, but a
 * renewed certificate comes with a new key. The key_reader process keeps one capability
 * (CAP_DAC_READ_SEARCH) and opens only the files that `tls:` and `admin:` named when the daemon started. The
 * process ends when the daemon's end of the socket is closed.
 *
 * Protocol, over a SOCK_SEQPACKET socket pair: the daemon sends one byte (the index of a file); the
 * key_reader answers with an int32_t (0 or an errno value) and, with 0, one descriptor
 * (SCM_RIGHTS).
 */
#ifndef FR_KEY_READER_H
#define FR_KEY_READER_H

#include <stddef.h>

#include "privsep/privileges.h"
#include "util/error.h"

#define FR_KEY_READER_FILES_MAX 8

/* Fork the key_reader for `count` files (at most FR_KEY_READER_FILES_MAX). The process runs as
 * `user` (NULL: the current user). The paths are copied. Call once, before any thread is started.
 * Returns 0, or -1 with `error` set. */
int fr_key_reader_start(const char *const *paths, size_t count, const struct fr_user *user,
                        struct fr_error *error);

/* Open a file for reading. If permissions refuse that to this process and the file is one of the
 * key_reader's, the key_reader opens it. Blocks until the key_reader answers. Any thread.
 * Returns a descriptor that the caller closes, or -1 with errno set. */
int fr_key_reader_open(const char *path);

#endif
