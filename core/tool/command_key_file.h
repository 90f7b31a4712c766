/* Reads the command key for a subcommand, after making it if there is none. */
#ifndef FR_COMMAND_KEY_FILE_H
#define FR_COMMAND_KEY_FILE_H

#include <openssl/evp.h>

#include "config/server_config.h"
#include "util/atomic_file.h"
#include "util/error.h"

/* Read the command key at `path`. If there is no file, make a key, which belongs to the user of this
 * process, and print a line about it to standard error. Write its public half as
 * fr_command_key_publish() does. `config` names the TLS key and certificate, which must be of another
 * key; NULL: not compared. `owner`: as for fr_command_key_read(). The caller frees the key. NULL: `error`
 * is set. */
EVP_PKEY *fr_command_key_open(const char *path, const struct fr_file_owner *owner,
                              const struct fr_server_config *config, struct fr_error *error);

/* Write the public half `pem` beside the command key `path`, from where fleetrouted serves it
 * (fr_server_public_key_path()), and print a line about it to standard error. A file with the same content is left as it is, so that a second run
 * needs no permission to write. Returns 0, or -1 with `error` set. */
int fr_command_key_publish(const char *path, const char *pem, struct fr_error *error);

/* The service user (`user:`) as an owner of the key, if this process runs as root. Returns `owner`,
 * or NULL: there is none or it is unknown. */
const struct fr_file_owner *fr_command_key_owner(const struct fr_server_config *config,
                                                 struct fr_file_owner *owner);

#endif
