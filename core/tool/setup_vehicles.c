#include "tool/setup_vehicles.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fleet_api/pairing_link.h"
#include "fleet_api/vehicle_state.h"
#include "tool/setup_daemon.h"
#include "tool/setup_files.h"
#include "util/memory.h"
#include "util/redact.h"

/* Vehicles that setup lists; more are added to routing.yaml by hand. */
#define VEHICLES_MAX 100

/* ---- vehicles ------------------------------------------------------------------------ */

static enum fr_setup_result vehicles_check(struct fr_setup_env *env, struct fr_error *note)
{
    struct fr_routing *routing = fr_setup_routing(env, note);
    struct fr_buffer names = {0};
    char shown[FR_REDACTED_VIN_SIZE];

    if (routing == NULL)
        return FR_SETUP_FAILED;
    for (size_t i = 0; i < routing->vehicle_count; i++)
        fr_buffer_printf(&names, "%s%s%s%s", i > 0 ? ", " : "",
                         routing->vehicles[i].name != NULL ? routing->vehicles[i].name : "",
                         routing->vehicles[i].name != NULL ? " " : "",
                         fr_display_vin(routing->vehicles[i].vin, shown));
    fr_setup_note(FR_SETUP_DONE, note, "%s",
                  routing->vehicle_count > 0 ? fr_buffer_string(&names) : "no vehicle is chosen");
    fr_buffer_free(&names);
    fr_routing_unref(routing);
    return names.len > 0 || strcmp(note->text, "no vehicle is chosen") != 0 ? FR_SETUP_DONE
                                                                            : FR_SETUP_TODO;
}

/* The vehicles of the account, and which of them the owner wants. */
struct vehicles_choice {
    struct fr_api_vehicles all;
    bool chosen[VEHICLES_MAX];
    char *names[VEHICLES_MAX];
};

static size_t vehicles_count(const struct vehicles_choice *choice)
{
    return choice->all.count < VEHICLES_MAX ? choice->all.count : VEHICLES_MAX;
}

static int vehicles_choose_vin(struct vehicles_choice *choice, const char *vin, const char *name,
                               struct fr_error *error)
{
    for (size_t i = 0; i < vehicles_count(choice); i++)
        if (strcmp(choice->all.list[i].vin, vin) == 0) {
            choice->chosen[i] = true;
            if (name != NULL) {
                free(choice->names[i]);
                choice->names[i] = fr_strdup(name);
            }
            return 0;
        }
    return fr_error_set(error, "the Tesla account has no vehicle %.20s", vin);
}

/* Numbers of the list ("1, 3"), VINs, or "all". */
static int vehicles_parse(char *answer, void *ctx, struct fr_error *error)
{
    struct vehicles_choice *choice = ctx;
    size_t count = vehicles_count(choice);
    char *copy = fr_strdup(answer), *rest = NULL;
    int status = 0;

    memset(choice->chosen, 0, sizeof choice->chosen);
    for (char *word = strtok_r(copy, " ,", &rest); word != NULL && status == 0;
         word = strtok_r(NULL, " ,", &rest)) {
        char *end;
        unsigned long number = strtoul(word, &end, 10);

        if (strcmp(word, "all") == 0)
            for (size_t i = 0; i < count; i++)
                choice->chosen[i] = true;
        else if (*end == '\0' && number >= 1 && number <= count)
            choice->chosen[number - 1] = true;
        else if (*end == '\0')
            status = fr_error_set(error, "the numbers are 1 to %zu", count);
        else
            status = vehicles_choose_vin(choice, word, NULL, error);
    }
    free(copy);
    return status;
}

/* A list of the answers: VINs, or maps with vin and name. */
static int vehicles_take_list(struct vehicles_choice *choice, const struct fr_yaml *list,
                              struct fr_error *error)
{
    int status = 0;

    for (size_t i = 0; i < list->count && status == 0; i++) {
        const struct fr_yaml *item = list->items[i];
        const struct fr_yaml *vin = item->kind == FR_YAML_MAP ? fr_yaml_get(item, "vin") : item;
        const struct fr_yaml *name = fr_yaml_get(item, "name");

        if (vin == NULL || vin->kind != FR_YAML_TEXT ||
            (name != NULL && name->kind != FR_YAML_TEXT))
            status = fr_error_set(error, "the answer `vehicles:` must be `all`, or a list of VINs "
                                         "or of {vin: VIN, name: NAME}");
        else
            status =
                vehicles_choose_vin(choice, vin->text, name != NULL ? name->text : NULL, error);
    }
    return status;
}

static int vehicles_ask(struct fr_setup_env *env, struct vehicles_choice *choice,
                        struct fr_error *error)
{
    const struct fr_yaml *list = fr_setup_answer(env->prompt, "vehicles");
    struct fr_setup_question question = {"vehicles",     "Which vehicles stream (numbers, or all)",
                                         "all",          false,
                                         vehicles_parse, choice};
    char *answer;

    if (list != NULL && list->kind == FR_YAML_LIST)
        return vehicles_take_list(choice, list, error);
    answer = fr_setup_ask(env->prompt, &question, error);
    free(answer);
    return answer != NULL ? 0 : -1;
}

/* The name becomes a part of the ids of entities. */
static int vehicles_ask_names(struct fr_setup_env *env, struct vehicles_choice *choice,
                              struct fr_error *error)
{
    char shown[FR_REDACTED_VIN_SIZE];

    for (size_t i = 0; i < vehicles_count(choice); i++) {
        const struct fr_api_vehicle *vehicle = &choice->all.list[i];
        char *text = fr_asprintf("Name of %s", fr_display_vin(vehicle->vin, shown));
        struct fr_setup_question question = {
            "name", text, vehicle->name[0] != '\0' ? vehicle->name : "Tesla", false, NULL, NULL};

        if (choice->chosen[i] && choice->names[i] == NULL) {
            if (fr_setup_prompt_is_terminal(env->prompt))
                choice->names[i] = fr_setup_ask(env->prompt, &question, error);
            else
                choice->names[i] = fr_strdup(question.default_value);
        }
        free(text);
        if (choice->chosen[i] && choice->names[i] == NULL)
            return -1;
    }
    return 0;
}

static int vehicles_write(struct fr_setup_env *env, const struct vehicles_choice *choice,
                          struct fr_error *error)
{
    struct fr_buffer value = {0};
    size_t count = 0;
    int status;

    fr_buffer_byte(&value, '[');
    for (size_t i = 0; i < vehicles_count(choice); i++) {
        if (!choice->chosen[i])
            continue;
        fr_buffer_printf(&value, "%s{vin: %s, name: ", count++ > 0 ? ", " : "",
                         choice->all.list[i].vin);
        fr_yaml_scalar(&value, choice->names[i]);
        fr_buffer_byte(&value, '}');
    }
    fr_buffer_byte(&value, ']');
    if (count == 0)
        status = fr_error_set(error, "no vehicle is chosen; choose one");
    else
        status = fr_setup_set_routing(env, "vehicles", fr_buffer_string(&value), error);
    fr_buffer_free(&value);
    return status;
}

static void vehicles_print(const struct vehicles_choice *choice)
{
    char shown[FR_REDACTED_VIN_SIZE];

    puts("Vehicles of your Tesla account:");
    for (size_t i = 0; i < vehicles_count(choice); i++) {
        const struct fr_api_vehicle *v = &choice->all.list[i];

        printf("  %zu  %s  %s%s%s%s\n", i + 1, fr_display_vin(v->vin, shown), v->name,
               v->state[0] != '\0' ? ", " : "", v->state,
               v->owner ? "" : ", shared with you as a driver: Tesla lets only its owner stream");
    }
}

static int vehicles_run(struct fr_setup_env *env, struct fr_error *error)
{
    struct vehicles_choice choice = {0};
    struct fr_api *api = fr_setup_api(env, error);
    struct fr_api_error cause;
    int status = -1;

    if (api == NULL)
        return -1;
    if (fr_api_vehicles(api, &choice.all, &cause) != 0) {
        *error = cause.error;
        return -1;
    }
    if (choice.all.count == 0)
        fr_error_set(error,
                     "the Tesla account has no vehicle; log in with the owner's account: "
                     "remove %s/tokens.json and run `fleetroute setup` again",
                     env->config->tesla.folder);
    else {
        vehicles_print(&choice);
        if (vehicles_ask(env, &choice, error) == 0 && vehicles_ask_names(env, &choice, error) == 0)
            status = vehicles_write(env, &choice, error);
    }
    for (size_t i = 0; i < VEHICLES_MAX; i++)
        free(choice.names[i]);
    free(choice.all.list);
    return status == 0 ? fr_setup_reload_daemon(env, error) : -1;
}

const struct fr_setup_step fr_setup_step_vehicles = {"vehicles", "the vehicles", vehicles_check,
                                                     vehicles_run};

/* ---- pairing ------------------------------------------------------------------------- */

struct pairing {
    const char **vins; /* of routing.yaml */
    struct fr_routing *routing;
    struct fr_vehicle_verdict *verdicts;
    size_t count, ready, open; /* `open`: the owner can still pair or switch them */
};

static void pairing_free(struct pairing *p)
{
    free(p->vins);
    free(p->verdicts);
    fr_routing_unref(p->routing);
}

/* Ask Tesla for the state of all vehicles. */
static int pairing_ask(struct fr_setup_env *env, struct pairing *p, struct fr_error *error)
{
    struct fr_api_vehicle_status *states;
    struct fr_api *api = fr_setup_api(env, error);
    struct fr_api_error cause;
    int status;

    *p = (struct pairing){.routing = api != NULL ? fr_setup_routing(env, error) : NULL};
    if (p->routing == NULL)
        return -1;
    p->count = p->routing->vehicle_count;
    p->vins = fr_calloc(p->count + 1, sizeof *p->vins);
    p->verdicts = fr_calloc(p->count + 1, sizeof *p->verdicts);
    states = fr_calloc(p->count + 1, sizeof *states);
    for (size_t i = 0; i < p->count; i++)
        p->vins[i] = p->routing->vehicles[i].vin;
    status = fr_api_fleet_status(api, p->vins, p->count, states, &cause);
    for (size_t i = 0; i < p->count && status == 0; i++) {
        fr_vehicle_verdict_status(&states[i], fr_setup_domain(env), &p->verdicts[i]);
        p->ready += p->verdicts[i].state == FR_VEHICLE_READY;
        p->open +=
            p->verdicts[i].state == FR_VEHICLE_PAIR || p->verdicts[i].state == FR_VEHICLE_TOGGLE;
    }
    free(states);
    if (status != 0)
        *error = cause.error;
    return status;
}

static enum fr_setup_result pairing_check(struct fr_setup_env *env, struct fr_error *note)
{
    struct pairing p;
    enum fr_setup_result outcome = FR_SETUP_FAILED;
    char shown[FR_REDACTED_VIN_SIZE];

    if (pairing_ask(env, &p, note) == 0) {
        fr_setup_note(outcome, note, "no vehicle can stream");
        for (size_t i = 0; i < p.count; i++)
            if (p.verdicts[i].state != FR_VEHICLE_READY)
                fr_setup_note(outcome, note, "%s: %s. %s", fr_display_vin(p.vins[i], shown),
                              p.verdicts[i].cause, p.verdicts[i].remedy);
        if (p.open > 0)
            outcome = fr_setup_note(FR_SETUP_TODO, note, "%zu of %zu vehicles are not paired",
                                    p.open, p.count);
        else if (p.ready == p.count)
            outcome = fr_setup_note(FR_SETUP_DONE, note, "%zu of %zu vehicles accept the key",
                                    p.ready, p.count);
        else if (p.ready > 0)
            outcome = FR_SETUP_DONE; /* the note has a vehicle that cannot */
    }
    pairing_free(&p);
    return outcome;
}

static int pairing_print(struct fr_setup_env *env, const struct pairing *p, struct fr_error *error)
{
    char shown[FR_REDACTED_VIN_SIZE];

    for (size_t i = 0; i < p->count; i++) {
        char *link;

        if (p->verdicts[i].state == FR_VEHICLE_READY)
            continue;
        if (p->verdicts[i].state != FR_VEHICLE_PAIR) {
            printf("%s: %s. %s\n", fr_display_vin(p->vins[i], shown), p->verdicts[i].cause,
                   p->verdicts[i].remedy);
            continue;
        }
        link = fr_pairing_link(fr_setup_domain(env), fr_redacting() ? NULL : p->vins[i], error);
        if (link == NULL)
            return -1;
        printf("%s: %s. Open this link on the phone with the Tesla app, and add the key in the\n"
               "app, which must have the account that owns the car:\n",
               fr_display_vin(p->vins[i], shown), p->verdicts[i].cause);
        fr_setup_print_link(link);
        free(link);
    }
    return 0;
}

static int pairing_is_complete(struct fr_setup_env *env, void *ctx, struct fr_error *error)
{
    struct pairing p;
    int status = pairing_ask(env, &p, error);

    (void)ctx;
    if (status == 0)
        status = p.open == 0;
    pairing_free(&p);
    return status;
}

static int pairing_run(struct fr_setup_env *env, struct fr_error *error)
{
    struct pairing p;
    int status = pairing_ask(env, &p, error);

    if (status == 0)
        status = pairing_print(env, &p, error);
    pairing_free(&p);
    if (status != 0)
        return -1;
    puts("Waiting until Tesla reports the pairing; Ctrl-C ends, a later run continues here.");
    return fr_setup_wait(env, "the pairing", pairing_is_complete, NULL, error);
}

const struct fr_setup_step fr_setup_step_pairing = {"pairing", "the pairing of the key",
                                                    pairing_check, pairing_run};
