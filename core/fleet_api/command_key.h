/*
 * The command key: the private P-256 key whose public half the owner registers with Tesla and pairs
 * with the vehicle, and which signs telemetry configurations. The command key is never the TLS key.
 */
#ifndef FR_COMMAND_KEY_H
#define FR_COMMAND_KEY_H

#include <openssl/evp.h>

#include "util/atomic_file.h"
#include "util/error.h"

/* Path of the command key, from the folder of fleetroute.yaml. */
#define FR_COMMAND_KEY_FILE "keys/command-key.pem"

/* Max bytes of a key file. */
#define FR_COMMAND_KEY_BYTES_MAX 16384

enum fr_command_key_result {
    FR_COMMAND_KEY_READ,
    FR_COMMAND_KEY_MISSING, /* there is no file */
    FR_COMMAND_KEY_REFUSED, /* the file cannot be used; the error is set */
};

/* Read the command key: PEM, SEC1 ("EC PRIVATE KEY") or PKCS#8 ("PRIVATE KEY"), P-256, not encrypted,
 * with access for its owner alone. The file must belong to root, to the user of this process or to
 * `owner` (NULL: none). The first private key of the file counts. The caller frees `*key` with
 * EVP_PKEY_free(); it is NULL unless the result is FR_COMMAND_KEY_READ. An error names the file, the
 * cause and the remedy, never the content. Any thread. */
enum fr_command_key_result fr_command_key_read(const char *path, const struct fr_file_owner *owner,
                                               EVP_PKEY **key, struct fr_error *error);

/* Make a new command key and write it to `path` as SEC1 PEM with mode 0600, in one step. An existing
 * file is never replaced. A missing folder is made with mode 0750 and, with `owner`, its group.
 * `owner` (NULL: the user of this process) gets the file. Returns 0, or -1 with `error` set. */
int fr_command_key_create(const char *path, const struct fr_file_owner *owner,
                          struct fr_error *error);

#endif
