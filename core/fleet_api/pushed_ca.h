/*
 * The `ca` of accepted pushes, in FOLDER/ca-DIGEST.pem: what vehicles verify this server with until
 * they take another configuration. Public certificates, mode 0640 as state.json, which has the digests.
 * Written under the lock of tokens.h, in one step.
 */
#ifndef FR_PUSHED_CA_H
#define FR_PUSHED_CA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fleet_api/state.h"
#include "util/error.h"

/* Max different lists that are kept and looked at; those of older pushes are ignored. */
#define FR_PUSHED_CA_MAX 16

struct fr_pushed_ca_list {
    char digests[FR_PUSHED_CA_MAX][65];
    int64_t pushed_ms[FR_PUSHED_CA_MAX]; /* of the newest push with it */
    size_t count;
};

/* Whether a vehicle has an accepted configuration that has not expired at `now_ms` and that is not
 * known to be removed: it connects. Any thread. */
bool fr_pushed_ca_is_used(const struct fr_state_vehicle *vehicle, int64_t now_ms);

/* The different digests of the vehicles that connect, `former_ca` included. Linear. Any thread. */
void fr_pushed_ca_list(const struct fr_state *state, int64_t now_ms,
                       struct fr_pushed_ca_list *list);

/* Write `ca` unless the file exists. `digest`: fr_text_digest() of it. `group`: as fr_state_write().
 * Returns 0, or -1 with `error` set. */
int fr_pushed_ca_write(const char *folder, const char *ca, const char *digest, int group,
                       struct fr_error *error);

/* Read a file. NULL: it is missing, cannot be read, is too long, or its content has another digest.
 * The caller frees the text. Any thread. */
char *fr_pushed_ca_read(const char *folder, const char *digest);

/* Remove the files that are not in `list`. */
void fr_pushed_ca_prune(const char *folder, const struct fr_pushed_ca_list *list);

#endif
