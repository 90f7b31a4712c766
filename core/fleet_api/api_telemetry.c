#include "fleet_api/api_telemetry.h"

#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

#include "fleet_api/api_answer.h"
#include "fleet_api/api_request.h"
#include "fleet_api/clean_text.h"
#include "util/json_text.h"
#include "util/memory.h"
#include "util/redact.h"

int fr_api_push(struct fr_api *api, const char *const *vins, size_t count, const char *token,
                enum fr_api_skip *skips, int64_t *updated, char other[64],
                struct fr_api_error *error)
{
    struct fr_api_call call = {.what = "push the configuration",
                               .method = "POST",
                               .path = "/api/1/vehicles/fleet_telemetry_config_jws"};
    struct fr_buffer body = {0};
    json_t *answer;
    int status;

    fr_buffer_reserve(&body, strlen(token) + count * 20 + 64);
    fr_buffer_text(&body, "{\"token\":");
    fr_json_string(&body, token, strlen(token));
    fr_buffer_byte(&body, ',');
    fr_api_put_vins(&body, vins, count);
    fr_buffer_byte(&body, '}');
    call.body = fr_buffer_string(&body);
    status = fr_api_request(api, &call, &answer, error);
    if (status == 0)
        status = fr_answer_push(answer, vins, count, skips, updated, other, call.what, error);
    json_decref(answer);
    if (body.bytes != NULL)
        OPENSSL_cleanse(body.bytes, body.len);
    fr_buffer_free(&body);
    return status;
}

/* Make a call on one vehicle; `end` is the last part of its path. */
static int api_telemetry_call(struct fr_api *api, const char *verb, const char *method,
                              const char *vin, const char *end, json_t **answer, char what[128],
                              struct fr_api_error *error)
{
    char tag[FR_REDACTED_VIN_SIZE], *path;
    struct fr_api_call call = {.what = what, .method = method};
    int status;

    *answer = NULL;
    if (!fr_is_vin(vin))
        return fr_api_error_set(error, FR_API_LOCAL,
                                "%s: a VIN has 17 capital letters and digits; check routing.yaml",
                                verb);
    snprintf(what, 128, "%s %s", verb, fr_display_vin(vin, tag));
    path = fr_asprintf("/api/1/vehicles/%s/%s", vin, end);
    call.path = path;
    status = fr_api_request(api, &call, answer, error);
    free(path);
    return status;
}

int fr_api_config_get(struct fr_api *api, const char *vin, struct fr_api_config_state *state,
                      struct fr_api_error *error)
{
    char what[128];
    json_t *answer;
    int status = api_telemetry_call(api, "read the configuration of", "GET", vin,
                                    "fleet_telemetry_config", &answer, what, error);

    memset(state, 0, sizeof *state);
    if (status == 0)
        status = fr_answer_config(answer, state, what, error);
    json_decref(answer);
    return status;
}

int fr_api_config_delete(struct fr_api *api, const char *vin, struct fr_api_error *error)
{
    char what[128];
    json_t *answer;
    int status = api_telemetry_call(api, "remove the configuration of", "DELETE", vin,
                                    "fleet_telemetry_config", &answer, what, error);

    json_decref(answer);
    return status;
}

int fr_api_errors(struct fr_api *api, const char *vin, struct fr_api_vehicle_errors *errors,
                  struct fr_api_error *error)
{
    struct fr_api_call call = {.what = "read the errors of all vehicles",
                               .method = "GET",
                               .path = "/api/1/partner_accounts/fleet_telemetry_errors",
                               .partner = true};
    char what[128];
    json_t *answer;
    int status = vin == NULL ? fr_api_request(api, &call, &answer, error)
                             : api_telemetry_call(api, "read the errors of", "GET", vin,
                                                  "fleet_telemetry_errors", &answer, what, error);

    errors->list = NULL;
    errors->count = 0;
    if (status == 0)
        status = fr_answer_errors(answer, errors, vin == NULL ? call.what : what, error);
    json_decref(answer);
    return status;
}

int fr_api_error_vins(struct fr_api *api, struct fr_api_vins *vins, struct fr_api_error *error)
{
    struct fr_api_call call = {.what = "read the vehicles with errors",
                               .method = "GET",
                               .path = "/api/1/partner_accounts/fleet_telemetry_error_vins",
                               .partner = true};
    json_t *answer;
    int status = fr_api_request(api, &call, &answer, error);

    vins->list = NULL;
    vins->count = 0;
    if (status == 0)
        status = fr_answer_error_vins(answer, vins, call.what, error);
    json_decref(answer);
    return status;
}
