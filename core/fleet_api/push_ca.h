/*
 * The `ca` of a push during a renewal: which pushed `ca` still verifies this server, and what the
 * vehicles need while another certificate than that of the file is served. Saves the `ca` with the
 * state.
 */
#ifndef FR_PUSH_CA_H
#define FR_PUSH_CA_H

#include <stdbool.h>
#include <stdint.h>

#include "fleet_api/push_plan.h"
#include "fleet_api/pushed_ca.h"
#include "fleet_api/state.h"
#include "util/error.h"

/* Whether a vehicle with this `ca` (PEM) alone accepts the certificate of the file `tls:
 * certificate:` now. */
bool fr_push_ca_accepts(const struct fr_push_plan *plan, const char *ca);

/* The list of the plan, and those pushed lists that vehicles have and that accept the certificate of
 * the file. */
void fr_push_ca_accepted(const struct fr_push_plan *plan, const struct fr_state *state,
                         int64_t now_ms, struct fr_pushed_ca_list *accepted);

/* Whether vehicles have another `ca` than that of the plan, so that fr_push_ca_keep_served() may change
 * the plan. */
bool fr_push_ca_is_changing(const struct fr_push_plan *plan, const struct fr_state *state,
                            int64_t now_ms);

/* The daemon serves the certificates `served` (PEM, its own first), which may be older than those of
 * the file. If the plan's `ca` does not verify them and a pushed one does, add the certificates of
 * that one that do, so that the vehicle accepts both servers. Nothing is added beyond FR_CA_MAX
 * certificates, and none that has expired. Changes `ca`, `ca_sha` and `json` of the plan. */
void fr_push_ca_keep_served(struct fr_push_plan *plan, const struct fr_state *state, int64_t now_ms,
                            const char *served);

/* The configuration that a vehicle should have, as JSON: that of the plan with the `ca` of `config`,
 * if that one has the digest `digest` or, with NULL, accepts the certificate of the file. Otherwise
 * that of the plan. NULL: the plan has none. The caller frees it. `config` is hostile; NULL: none. */
char *fr_push_ca_expected(const struct fr_push_plan *plan, const char *config, const char *digest);

/* fr_text_digest() of the `ca` of a configuration, in the form in which it was pushed; "": none. */
void fr_push_ca_digest(const char *config, char digest[65]);

/* Write the `ca` of the plan, if a vehicle has it, and then the state. Removes files that are no longer
 * needed. As fr_state_write(). */
int fr_push_ca_save(const struct fr_push_plan *plan, struct fr_state *state, int64_t now_ms,
                    int group, struct fr_error *error);

#endif
