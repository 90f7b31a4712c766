/* Makes one call of fleet_api/api.h and prints its result as a line of JSON, for
 * tests/scenario/fleet_api.py:
 *
 *     call CONFIG CALL [ARGUMENT]…
 *
 * Exit status 1: the call failed; the cause, the status and the message are printed. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/diagnostics.h"
#include "config/server_config.h"
#include "fleet_api/api.h"
#include "fleet_api/command_key.h"
#include "fleet_api/jws.h"
#include "fleet_api/tokens.h"
#include "util/redact.h"

#define VINS_MAX 2000

static int call_link(struct fr_api *api, char **argv, json_t *result, struct fr_api_error *error)
{
    char *link = fr_api_authorize_link(api, argv[0]);

    (void)error;
    json_object_set_new(result, "link", json_string(link));
    free(link);
    return 0;
}

static int call_authorize(struct fr_api *api, char **argv, json_t *result,
                          struct fr_api_error *error)
{
    (void)result;
    return fr_api_authorize(api, argv[0], argv[1], error);
}

static int call_refresh(struct fr_api *api, char **argv, json_t *result, struct fr_api_error *error)
{
    (void)argv, (void)result;
    return fr_api_refresh(api, error);
}

static int call_register(struct fr_api *api, char **argv, json_t *result,
                         struct fr_api_error *error)
{
    (void)argv, (void)result;
    return fr_api_register(api, error);
}

static int call_key(struct fr_api *api, char **argv, json_t *result, struct fr_api_error *error)
{
    char *key = fr_api_registered_key(api, error);

    (void)argv;
    if (key != NULL)
        json_object_set_new(result, "key", json_string(key));
    free(key);
    return key != NULL ? 0 : -1;
}

static int call_region(struct fr_api *api, char **argv, json_t *result, struct fr_api_error *error)
{
    char region[16];

    (void)argv;
    if (fr_api_region(api, region, error) != 0)
        return -1;
    json_object_set_new(result, "region", json_string(region));
    return 0;
}

static int call_vehicles(struct fr_api *api, char **argv, json_t *result,
                         struct fr_api_error *error)
{
    json_t *list = json_array();
    struct fr_api_vehicles vehicles;

    (void)argv;
    json_object_set_new(result, "vehicles", list);
    if (fr_api_vehicles(api, &vehicles, error) != 0)
        return -1;
    for (size_t i = 0; i < vehicles.count; i++)
        json_array_append_new(list,
                              json_pack("{s:s,s:s,s:s,s:b}", "vin", vehicles.list[i].vin, "name",
                                        vehicles.list[i].name, "state", vehicles.list[i].state,
                                        "owner", (int)vehicles.list[i].owner));
    free(vehicles.list);
    return 0;
}

static size_t call_count(char **argv)
{
    size_t count = 0;

    while (argv[count] != NULL && count < VINS_MAX)
        count++;
    return count;
}

static int call_status(struct fr_api *api, char **argv, json_t *result, struct fr_api_error *error)
{
    static struct fr_api_vehicle_status status[VINS_MAX];
    json_t *list = json_array();
    size_t count = call_count(argv);

    json_object_set_new(result, "status", list);
    if (fr_api_fleet_status(api, (const char *const *)argv, count, status, error) != 0)
        return -1;
    for (size_t i = 0; i < count; i++)
        json_array_append_new(
            list, json_pack("{s:s,s:b,s:b,s:i,s:i,s:i,s:s,s:s}", "vin", status[i].vin, "known",
                            (int)status[i].known, "key_paired", (int)status[i].key_paired,
                            "protocol_required", status[i].protocol_required, "toggle",
                            status[i].toggle, "total_keys", status[i].total_keys, "firmware",
                            status[i].firmware, "telemetry_version", status[i].telemetry_version));
    return 0;
}

/* Sign the configuration argv[1] with the key argv[0], and post it to the other VINs. */
static int call_push(struct fr_api *api, char **argv, json_t *result, struct fr_api_error *error)
{
    static enum fr_api_skip skips[VINS_MAX];
    json_t *list = json_array();
    size_t count = call_count(argv + 2);
    char other[64], *token = NULL;
    int64_t updated = 0;
    EVP_PKEY *key;
    int status = -1;

    json_object_set_new(result, "skips", list);
    error->cause = FR_API_LOCAL;
    if (fr_command_key_read(argv[0], NULL, &key, &error->error) == FR_COMMAND_KEY_READ)
        token = fr_jws_sign_config(key, argv[1], FR_JWS_AUDIENCE_FLEET, &error->error);
    EVP_PKEY_free(key);
    if (token != NULL)
        status = fr_api_push(api, (const char *const *)argv + 2, count, token, skips, &updated,
                             other, error);
    free(token);
    if (status != 0)
        return -1;
    for (size_t i = 0; i < count; i++)
        json_array_append_new(list, json_integer((json_int_t)skips[i]));
    json_object_set_new(result, "updated", json_integer(updated));
    json_object_set_new(result, "other", json_string(other));
    return 0;
}

static int call_get(struct fr_api *api, char **argv, json_t *result, struct fr_api_error *error)
{
    struct fr_api_config_state state;

    if (fr_api_config_get(api, argv[0], &state, error) != 0)
        return -1;
    json_object_set_new(result, "synced", json_boolean(state.synced));
    json_object_set_new(result, "limit_reached", json_boolean(state.limit_reached));
    json_object_set_new(result, "key_paired", json_integer(state.key_paired));
    json_object_set_new(result, "config",
                        state.config != NULL ? json_string(state.config) : json_null());
    free(state.config);
    return 0;
}

static int call_delete(struct fr_api *api, char **argv, json_t *result, struct fr_api_error *error)
{
    (void)result;
    return fr_api_config_delete(api, argv[0], error);
}

static int call_errors(struct fr_api *api, char **argv, json_t *result, struct fr_api_error *error)
{
    json_t *list = json_array();
    struct fr_api_vehicle_errors errors;

    json_object_set_new(result, "errors", list);
    if (fr_api_errors(api, argv[0], &errors, error) != 0)
        return -1;
    for (size_t i = 0; i < errors.count; i++)
        json_array_append_new(
            list, json_pack("{s:s,s:s,s:s,s:s,s:s}", "vin", errors.list[i].vin, "created_at",
                            errors.list[i].created_at, "name", errors.list[i].name, "error_name",
                            errors.list[i].error_name, "error", errors.list[i].error));
    free(errors.list);
    return 0;
}

static int call_error_vins(struct fr_api *api, char **argv, json_t *result,
                           struct fr_api_error *error)
{
    json_t *list = json_array();
    struct fr_api_vins vins;

    (void)argv;
    json_object_set_new(result, "vins", list);
    if (fr_api_error_vins(api, &vins, error) != 0)
        return -1;
    for (size_t i = 0; i < vins.count; i++)
        json_array_append_new(list, json_string(vins.list[i]));
    free(vins.list);
    return 0;
}

static const struct {
    const char *name;
    int (*run)(struct fr_api *api, char **argv, json_t *result, struct fr_api_error *error);
    int min_arguments;
} calls[] = {
    {"link", call_link, 1},
    {"authorize", call_authorize, 2},
    {"refresh", call_refresh, 0},
    {"register", call_register, 0},
    {"key", call_key, 0},
    {"region", call_region, 0},
    {"vehicles", call_vehicles, 0},
    {"status", call_status, 1},
    {"push", call_push, 3},
    {"get", call_get, 1},
    {"delete", call_delete, 1},
    {"errors", call_errors, 0},
    {"error_vins", call_error_vins, 0},
};

/* Make the call with this name. */
static int call_named(struct fr_api *api, int argc, char **argv, json_t *result,
                      struct fr_api_error *error)
{
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++)
        if (strcmp(calls[i].name, argv[0]) == 0 && argc > calls[i].min_arguments)
            return calls[i].run(api, argv + 1, result, error);
    return fr_api_error_set(error, FR_API_LOCAL, "no such call: %s", argv[0]);
}

static void call_describe(const struct fr_api *api, json_t *result)
{
    json_object_set_new(result, "requests", json_integer((json_int_t)fr_api_requests(api)));
    json_object_set_new(result, "token_requests",
                        json_integer((json_int_t)fr_api_token_requests(api)));
    json_object_set_new(result, "clock_offset_ms", json_integer(fr_api_clock_offset_ms(api)));
    json_object_set_new(result, "base_url", json_string(fr_api_base_url(api)));
    json_object_set_new(result, "has_tokens", json_boolean(fr_api_has_tokens(api)));
    json_object_set_new(result, "vehicle_location",
                        json_integer(fr_api_has_scope(api, "vehicle_location")));
}

int main(int argc, char **argv)
{
    struct fr_api_error error = {.retry_after_s = -1};
    struct fr_diagnostics diagnostics = {0};
    struct fr_server_config *config;
    json_t *result = json_object();
    struct fr_api *api;
    int status = -1, lock = -1;

    if (argc < 3)
        return 2;
    fr_redact_set(getenv("FR_TEST_REDACT") != NULL);
    config = fr_server_config_load(argv[1], &diagnostics);
    if (config == NULL) {
        fprintf(stderr, "%s: cannot be read\n", argv[1]);
        return 2;
    }
    if (getenv("FR_TEST_LOCKED") != NULL)
        lock = fr_tokens_lock(config->tesla.folder, 0, &error.error);
    api = fr_api_new(&config->tesla, config->tesla.domain, lock >= 0, &error);
    if (api != NULL) {
        status = call_named(api, argc - 2, argv + 2, result, &error);
        call_describe(api, result);
    }
    if (status != 0)
        json_object_update_new(
            result,
            json_pack("{s:s,s:i,s:I,s:b,s:s}", "cause", fr_api_cause_name(error.cause), "status",
                      error.status, "retry_after_s", (json_int_t)error.retry_after_s, "temporary",
                      (int)fr_api_cause_is_temporary(error.cause), "message", error.error.text));
    json_dumpf(result, stdout, JSON_SORT_KEYS | JSON_COMPACT);
    putchar('\n');
    json_decref(result);
    fr_api_free(api);
    fr_tokens_unlock(lock);
    fr_server_config_unref(config);
    fr_diagnostics_free(&diagnostics);
    return status == 0 ? 0 : 1;
}
