#include "tool/fleet_job.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fleet_api/clean_text.h"
#include "fleet_api/push.h"
#include "fleet_api/push_ca.h"
#include "fleet_api/tokens.h"
#include "privsep/privileges.h"
#include "util/clock.h"
#include "util/memory.h"
#include "util/redact.h"

/* Time to wait for another command. */
#define LOCK_WAIT_MS 60000

static volatile sig_atomic_t interrupted;

void fr_fleet_job_error(const struct fr_fleet_job *job, const char *text)
{
    fprintf(stderr, "fleetroute %s: %s\n", job->command, text);
}

/* ---- the plan and the vehicles ---------------------------------------------------- */

int fr_fleet_job_load(struct fr_fleet_job *job, const char *command, const char *path,
                      unsigned flags)
{
    *job = (struct fr_fleet_job){.command = command, .lock = -1};
    fr_push_plan_load(&job->plan, path, flags, &job->diagnostics);
    if (job->plan.server != NULL)
        fr_redact_set(fr_redacting() || job->plan.server->redact);
    if (job->plan.server != NULL && !job->plan.server->tesla.present)
        fr_diagnose(&job->diagnostics, FR_SEVERITY_ERROR, path, 0, 0,
                    "there is no section `tesla:`; run `fleetroute setup`, which writes it");
    return job->diagnostics.errors == 0 ? 0 : -1;
}

int fr_fleet_vins_add(struct fr_fleet_vins *vins, const char *command, const char *vin)
{
    if (!fr_is_vin(vin)) {
        fprintf(stderr,
                "fleetroute %s: \"%.40s\" is no VIN; a VIN has 17 capital letters and digits\n",
                command, vin);
        return -1;
    }
    for (size_t i = 0; i < vins->count; i++)
        if (strcmp(vins->list[i], vin) == 0)
            return 0;
    if (vins->count == FR_FLEET_VINS_MAX) {
        fprintf(stderr, "fleetroute %s: more than %d values of --vin\n", command,
                FR_FLEET_VINS_MAX);
        return -1;
    }
    vins->list[vins->count++] = vin;
    return 0;
}

static bool fleet_is_listed(const struct fr_push_plan *plan, const char *vin)
{
    for (size_t i = 0; i < plan->vin_count; i++)
        if (strcmp(plan->vins[i], vin) == 0)
            return true;
    return false;
}

int fr_fleet_job_choose(struct fr_fleet_job *job, const struct fr_fleet_vins *vins, bool any)
{
    const struct fr_push_plan *plan = &job->plan;
    const char *const *from = vins->count > 0 ? vins->list : plan->vins;

    for (size_t i = 0; !any && i < vins->count; i++)
        if (!fleet_is_listed(plan, vins->list[i])) {
            fprintf(stderr, "fleetroute %s: %s is not in `vehicles:` of %s; add it there first\n",
                    job->command, vins->list[i], plan->server->routing);
            return -1;
        }
    job->vin_count = vins->count > 0 ? vins->count : plan->vin_count;
    job->vins = fr_calloc(job->vin_count + 1, sizeof *job->vins);
    for (size_t i = 0; i < job->vin_count; i++)
        job->vins[i] = from[i];
    if (job->vin_count > 0)
        return 0;
    fr_fleet_job_error(job, "there is no vehicle; list the VINs in `vehicles:` of routing.yaml");
    return -1;
}

/* ---- lock, state and client ------------------------------------------------------- */

int fr_fleet_job_lock(struct fr_fleet_job *job)
{
    const char *folder = job->plan.server->tesla.folder;
    struct fr_error error;

    job->lock = fr_tokens_lock(folder, LOCK_WAIT_MS, &error);
    if (job->lock >= 0 && fr_state_read(folder, &job->state, &error) == 0)
        return 0;
    fr_fleet_job_error(job, error.text);
    fr_tokens_unlock(job->lock);
    job->lock = -1;
    return -1;
}

int fr_fleet_group(const struct fr_server_config *server)
{
    const char *folder = server->tesla.folder;
    struct fr_user user;
    struct fr_error ignored;
    struct stat st;

    if (geteuid() != 0 || stat(folder, &st) != 0)
        return -1;
    /* The package gives the folder to the daemon's group; without it, the folder is made by root. */
    if (server->user != NULL && st.st_gid == 0 &&
        fr_user_find(server->user, &user, &ignored) == 0 && chown(folder, (uid_t)-1, user.gid) == 0)
        return (int)user.gid;
    return (int)st.st_gid;
}

int fr_fleet_job_unlock(struct fr_fleet_job *job)
{
    const struct fr_server_config *server = job->plan.server;
    uint64_t requests = job->api != NULL ? fr_api_requests(job->api) : 0;
    int64_t now_ms = fr_wall_ms();
    struct fr_error error;
    int status;

    fr_push_count_requests(&job->state, requests - job->counted, now_ms);
    job->counted = requests;
    status = fr_push_ca_save(&job->plan, &job->state, now_ms, fr_fleet_group(server), &error);
    if (status != 0)
        fr_fleet_job_error(job, error.text);
    fr_state_free(&job->state);
    job->state = (struct fr_state){0};
    fr_tokens_unlock(job->lock);
    job->lock = -1;
    return status;
}

int fr_fleet_job_connect(struct fr_fleet_job *job)
{
    struct fr_api_error error;

    job->api = fr_api_new(&job->plan.server->tesla, job->plan.domain, true, &error);
    if (job->api == NULL) {
        fr_fleet_job_error(job, error.error.text);
        return -1;
    }
    if (fr_api_has_tokens(job->api))
        return 0;
    fr_fleet_job_error(job, "there are no tokens: the owner has not granted access yet; run "
                            "`fleetroute setup`");
    return -1;
}

void fr_fleet_job_close(struct fr_fleet_job *job)
{
    if (job->lock >= 0) {
        fr_state_free(&job->state);
        fr_tokens_unlock(job->lock);
    }
    fr_api_free(job->api);
    free(job->vins);
    fr_push_plan_free(&job->plan);
    fr_diagnostics_free(&job->diagnostics);
}

/* ---- output and waiting ----------------------------------------------------------- */

void fr_fleet_print_verdict(const char *vin, const struct fr_vehicle_verdict *verdict)
{
    char shown[FR_REDACTED_VIN_SIZE];

    printf("%s: %s: %s\n", fr_display_vin(vin, shown), fr_vehicle_state_name(verdict->state),
           verdict->cause);
    if (verdict->remedy[0] != '\0')
        printf("    %s\n", verdict->remedy);
    fflush(stdout);
}

static void fleet_interrupt(int number)
{
    (void)number;
    interrupted = 1;
}

void fr_fleet_catch_interrupt(void)
{
    struct sigaction action = {.sa_handler = fleet_interrupt, .sa_flags = (int)SA_RESETHAND};

    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

bool fr_fleet_interrupted(void)
{
    return interrupted != 0;
}

void fr_fleet_wait_ms(int64_t ms)
{
    struct timespec pause = {ms / 1000, ms % 1000 * 1000000};

    if (!fr_fleet_interrupted())
        nanosleep(&pause, NULL);
}
