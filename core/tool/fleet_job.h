/*
 * What the subcommands push and pair share: the plan, the client of the Fleet API, the lock of the
 * folder of tokens and state, and the output of verdicts. Main thread.
 */
#ifndef FR_TOOL_FLEET_JOB_H
#define FR_TOOL_FLEET_JOB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fleet_api/api.h"
#include "fleet_api/push_plan.h"
#include "fleet_api/state.h"
#include "fleet_api/vehicle_state.h"

/* Exit status if Tesla or a vehicle refused. */
#define FR_EXIT_REFUSED 2

/* Max values of --vin. */
#define FR_FLEET_VINS_MAX 1000

struct fr_fleet_job {
    const char *command; /* name of the subcommand, for messages */
    struct fr_push_plan plan;
    struct fr_diagnostics diagnostics; /* of the plan; printed by the caller */
    const char **vins;                 /* chosen ones, or those of the routes */
    size_t vin_count;
    struct fr_api *api; /* NULL: fr_fleet_job_connect() was not called */
    int lock;           /* -1: not locked */
    uint64_t counted;   /* requests that are in the state */
    struct fr_state state;
};

/* Values of --vin, in the order of the command line. */
struct fr_fleet_vins {
    const char *list[FR_FLEET_VINS_MAX];
    size_t count;
};

/* Append a value of --vin. Returns 0, or -1 after an error was printed. */
int fr_fleet_vins_add(struct fr_fleet_vins *vins, const char *command, const char *vin);

/* Load the plan of the configuration `path` with flags of push_plan.h. A configuration without the
 * section `tesla:` is an error too. Returns what fr_push_plan_load() returns. The job is
 * closed with fr_fleet_job_close() in both cases. */
int fr_fleet_job_load(struct fr_fleet_job *job, const char *command, const char *path,
                      unsigned flags);

/* Choose the vehicles. `any`: also VINs that the routes do not list. Returns 0, or -1 after an error
 * was printed. */
int fr_fleet_job_choose(struct fr_fleet_job *job, const struct fr_fleet_vins *vins, bool any);

/* Make the client, with tokens. Call it with the lock. Returns 0, or -1 after an error was printed. */
int fr_fleet_job_connect(struct fr_fleet_job *job);

/* Lock the folder and read the state. Returns 0, or -1 after an error was printed. */
int fr_fleet_job_lock(struct fr_fleet_job *job);
/* Count the requests, write the state and unlock. Returns 0, or -1 after an error was printed. */
int fr_fleet_job_unlock(struct fr_fleet_job *job);

void fr_fleet_job_close(struct fr_fleet_job *job);

/* The group that may read the state: that of the folder, which gets the group of the service user if
 * it is root's. -1: this process is not root, or there is no folder. */
int fr_fleet_group(const struct fr_server_config *server);

/* Print "fleetroute COMMAND: TEXT" to standard error. */
void fr_fleet_job_error(const struct fr_fleet_job *job, const char *text);

/* Print the state of a vehicle with its cause and remedy to standard output. */
void fr_fleet_print_verdict(const char *vin, const struct fr_vehicle_verdict *verdict);

/* Catch SIGINT and SIGTERM once: a wait ends early, and a second signal ends the process. */
void fr_fleet_catch_interrupt(void);
bool fr_fleet_interrupted(void);

/* Wait, unless or until interrupted. */
void fr_fleet_wait_ms(int64_t ms);

#endif
