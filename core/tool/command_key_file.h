/* Reads the command key for a subcommand, after making it if there is none. */
#ifndef FR_COMMAND_KEY_FILE_H
#define FR_COMMAND_KEY_FILE_H

#include <openssl/evp.h>

#include "config/server_config.h"
#include "util/atomic_file.h"
#include "util/error.h"

/* Read the command key at `path`. If there is no file, make a key, which belongs to the user of this
 * process. Write its public half beside it, from where fleetrouted serves it
 * (fr_server_public_key_path()), unless that file has it already. A line about each written file goes
 * to standard error. `config` names the TLS key and certificate, which must be of another key; NULL:
 * not compared. `owner`: as for fr_command_key_read(). The caller frees the key. NULL: `error` is
 * set. */
EVP_PKEY *fr_command_key_open(const char *path, const struct fr_file_owner *owner,
                              const struct fr_server_config *config, struct fr_error *error);

/* The service user (`user:`) as an owner of the key, if this process runs as root. Returns `owner`,
 * or NULL: there is none or it is unknown. */
const struct fr_file_owner *fr_command_key_owner(const struct fr_server_config *config,
                                                 struct fr_file_owner *owner);

#endif
