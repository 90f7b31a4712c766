/*
 * Does what keep_plan.h decides: refreshes the tokens, reads back, removes and pushes
 * configurations, and records all of it in the state.
 */
#ifndef FR_KEEP_H
#define FR_KEEP_H

#include <stdbool.h>
#include <stdint.h>

#include "fleet_api/push_plan.h"
#include "fleet_api/state.h"

struct fr_keep_settings {
    const struct fr_push_plan *plan; /* plan->server is set */
    const char *plan_error;          /* NULL: none; else nothing is pushed or read back. Printed */
    int group;                       /* that may read the state; -1: the group of this process */
    int64_t now_ms;
    /* Called for each action and each failure with one line, without secrets. */
    void (*report)(void *ctx, bool failure, const char *text);
    void *ctx;
};

enum fr_keep_result {
    FR_KEEP_DONE,   /* all that is due was done, or nothing was due */
    FR_KEEP_HELD,   /* no request before a time or before the owner acts, as reported earlier */
    FR_KEEP_FAILED, /* reported, and in state->failure unless the state cannot be written */
};

/* One run. The caller holds the lock of the folder, has read `state`, and frees it. The state is
 * written before the first request, before each push and at the end. If it cannot be written, no
 * request is made, because the rates would not be kept. Makes network requests and blocks meanwhile.
 * One thread. */
enum fr_keep_result fr_keep_run(const struct fr_keep_settings *settings, struct fr_state *state);

#endif
