#include "tool/setup_record.h"

#include <jansson.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fleet_api/clean_text.h"
#include "fleet_api/state.h"
#include "tool/control_client.h"
#include "tool/setup_daemon.h"
#include "tool/setup_files.h"
#include "util/clock.h"
#include "util/memory.h"
#include "util/redact.h"

/* Values that are printed of one record. */
#define VALUES_MAX 20

#define KEEP_TIMER "fleetroute-keep.timer"
#define KEEP_SERVICE "fleetroute-keep.service"

/* ---- printing ------------------------------------------------------------------------ */

static const char *record_text(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text != NULL ? text : "";
}

/* Print a value; with redaction no text and no exact position. Texts are the vehicle's: json_dumps()
 * does not escape what controls a terminal beyond ASCII. */
static void record_print_value(const char *name, const json_t *value)
{
    const json_t *latitude = json_object_get(value, "latitude");
    char cleaned[201], label[65], *text;

    fr_clean_text(label, sizeof label, name, strlen(name));

    if (latitude != NULL && fr_redacting()) {
        printf("    %-28s %.2f, %.2f\n", label, fr_redacted_degrees(json_number_value(latitude)),
               fr_redacted_degrees(json_number_value(json_object_get(value, "longitude"))));
        return;
    }
    if (json_is_string(value) && fr_redacting())
        text = fr_strdup("redacted");
    else
        text = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT | JSON_REAL_PRECISION(6));
    fr_clean_text(cleaned, sizeof cleaned, text != NULL ? text : "",
                  text != NULL ? strlen(text) : 0);
    printf("    %-28s %s\n", label, cleaned);
    free(text);
}

/* Print the values of a record of the tail, or of the reply to `values`. */
static void record_print(const char *vin, const json_t *values)
{
    char shown[FR_REDACTED_VIN_SIZE], cleaned[65];
    const json_t *value;
    const char *name;
    size_t count = 0;

    fr_clean_text(cleaned, sizeof cleaned, vin, strlen(vin));
    printf("\nData of the car %s:\n\n", fr_display_vin(cleaned, shown));
    json_object_foreach((json_t *)(uintptr_t)values, name, value)
    {
        const json_t *inner =
            json_object_get(value, "created_at") != NULL ? json_object_get(value, "value") : value;

        if (inner != NULL && count++ < VALUES_MAX)
            record_print_value(name, inner);
    }
    putchar('\n');
    fflush(stdout);
}

/* ---- the last values ------------------------------------------------------------------- */

/* The last values of a vehicle that the daemon has stored; NULL: none. */
static json_t *record_values(struct fr_setup_env *env, const char *vin)
{
    char *request = fr_asprintf("values %s", vin);
    struct fr_error error;
    json_t *reply = fr_setup_ask_daemon(env, request, &error);

    free(request);
    if (reply != NULL && json_object_size(json_object_get(reply, "values")) == 0) {
        json_decref(reply);
        reply = NULL;
    }
    return reply;
}

/* Returns whether one of the vehicles has sent data; prints them if `print`. */
static bool record_find(struct fr_setup_env *env, bool print, struct fr_error *note)
{
    struct fr_routing *routing = fr_setup_routing(env, note);
    char shown[FR_REDACTED_VIN_SIZE];
    bool found = false;

    for (size_t i = 0; routing != NULL && i < routing->vehicle_count && !found; i++) {
        json_t *reply = record_values(env, routing->vehicles[i].vin);

        found = reply != NULL;
        if (found && print)
            record_print(routing->vehicles[i].vin, json_object_get(reply, "values"));
        if (found)
            fr_setup_note(FR_SETUP_DONE, note, "the car %s has sent data",
                          fr_display_vin(routing->vehicles[i].vin, shown));
        json_decref(reply);
    }
    fr_routing_unref(routing);
    return found;
}

void fr_setup_print_record(struct fr_setup_env *env)
{
    struct fr_error note;

    record_find(env, true, &note);
}

/* ---- waiting --------------------------------------------------------------------------- */

static enum fr_setup_result record_check(struct fr_setup_env *env, struct fr_error *note)
{
    if (env->has_record)
        return fr_setup_note(FR_SETUP_DONE, note, "the car sends data");
    if (record_find(env, false, note))
        return FR_SETUP_DONE;
    return fr_setup_note(FR_SETUP_TODO, note, "no record of the car has arrived yet");
}

/* Print a line of the tail if it has vehicle data. Returns whether it has. */
static bool record_print_line(const char *line)
{
    json_t *record = json_loads(line, JSON_ALLOW_NUL, NULL);
    bool is_data = strcmp(record_text(record, "type"), "V") == 0;

    if (is_data)
        record_print(record_text(record, "vin"), json_object_get(record, "data"));
    json_decref(record);
    return is_data;
}

/* Read lines until one has data, which is printed. Returns 1; 0: the time is over; -1: the daemon
 * ended. */
static int record_follow(FILE *stream, int64_t end_ms)
{
    struct pollfd descriptor = {fileno(stream), POLLIN, 0};
    char *line = NULL;
    size_t size = 0;
    int outcome = 0;

    while (outcome == 0) {
        int64_t left = end_ms - fr_monotonic_ms();

        if (left <= 0)
            break;
        /* The stream has no buffer, so that poll(2) sees what is unread. */
        if (poll(&descriptor, 1, left < 1000 ? (int)left : 1000) <= 0)
            continue;
        if (getline(&line, &size, stream) <= 0)
            outcome = -1;
        else if (record_print_line(line))
            outcome = 1;
    }
    free(line);
    return outcome;
}

static int record_run(struct fr_setup_env *env, struct fr_error *error)
{
    FILE *stream = fr_control_request(env->config->control, "tail", error);
    struct fr_error note;
    int outcome;

    if (stream == NULL)
        return -1;
    setvbuf(stream, NULL, _IONBF, 0);
    puts("Waiting for the first record of the car. A car that is awake connects within minutes.");
    fflush(stdout);
    /* A record may have come between check() and the tail. */
    outcome =
        record_find(env, true, &note) ? 1 : record_follow(stream, fr_monotonic_ms() + env->wait_ms);
    fclose(stream);
    env->has_record = outcome > 0;
    if (outcome > 0)
        return 0;
    if (outcome < 0)
        return fr_error_set(error,
                            "the daemon ended; see its log, and run `fleetroute setup` again");
    return fr_error_set(error,
                        "no record of the car within %lld s; wake the car, see what `fleetroute "
                        "doctor` reports, and run `fleetroute setup` again",
                        (long long)(env->wait_ms / 1000));
}

const struct fr_setup_step fr_setup_step_record = {"record", "the first record", record_check,
                                                   record_run};

/* ---- keep ------------------------------------------------------------------------------ */

static bool keep_has_timer(const struct fr_setup_env *env)
{
    static const char *const timers[] = {"/lib/systemd/system/" KEEP_TIMER,
                                         "/usr/lib/systemd/system/" KEEP_TIMER,
                                         "/etc/systemd/system/" KEEP_TIMER};

    for (size_t i = 0; fr_setup_has_units(env) && i < sizeof timers / sizeof *timers; i++)
        if (access(timers[i], F_OK) == 0)
            return true;
    return false;
}

/* The unit has fewer rights than this process: only a run of it proves that it works. */
static enum fr_setup_result keep_check_run(struct fr_setup_env *env, struct fr_error *note)
{
    struct fr_state state;
    enum fr_setup_result outcome;

    if (fr_state_read(env->config->tesla.folder, &state, note) != 0)
        return FR_SETUP_FAILED;
    if (state.run_ms == 0)
        outcome = fr_setup_note(FR_SETUP_TODO, note, "`fleetroute keep` has not run yet");
    else if (state.failure[0] != '\0') /* also of this computer, without a request */
        outcome = fr_setup_note(FR_SETUP_TODO, note, "the last run of `fleetroute keep` failed: %s",
                                state.failure);
    else
        outcome = fr_setup_note(FR_SETUP_DONE, note,
                                "the timer " KEEP_TIMER " renews tokens and configuration");
    fr_state_free(&state);
    return outcome;
}

static enum fr_setup_result keep_check(struct fr_setup_env *env, struct fr_error *note)
{
    if (keep_has_timer(env))
        return keep_check_run(env, note);
    if (env->is_packaged && access("/etc/cron.d/fleetroute", F_OK) == 0)
        return fr_setup_note(FR_SETUP_DONE, note,
                             "cron renews tokens and configuration (/etc/cron.d/fleetroute)");
    return fr_setup_note(FR_SETUP_DONE, note,
                         "run `fleetroute keep -c %s` every hour from cron: tokens and "
                         "configuration expire",
                         env->path);
}

static int keep_run(struct fr_setup_env *env, struct fr_error *error)
{
    const char *const enable[] = {"systemctl", "enable", "--now", KEEP_TIMER, NULL};
    const char *const start[] = {"systemctl", "start", KEEP_SERVICE, NULL};

    (void)env;
    if (fr_setup_run_systemctl(enable, KEEP_TIMER, error) != 0)
        return -1;
    return fr_setup_run_systemctl(start, KEEP_SERVICE, error);
}

const struct fr_setup_step fr_setup_step_keep = {"keep", "the renewal", keep_check, keep_run};
