#include "fleet_api/api_answer.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fleet_api/canonical_json.h"
#include "fleet_api/clean_text.h"
#include "fleet_api/http_response.h"
#include "util/memory.h"

#define KEY_DIGITS 130
#define KEYS_MAX 1000000
#define PAGES_MAX 1000000

static int answer_malformed(struct fr_api_error *error, const char *what, const char *missing)
{
    return fr_api_error_set(
        error, FR_API_MALFORMED,
        "%s: the answer has no %s; try again later, and update fleetroute if it "
        "remains",
        what, missing);
}

/* Copy a text, cleaned; "" if it is missing. */
static void answer_text(char *to, size_t size, const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);

    if (json_is_string(value))
        fr_clean_text(to, size, json_string_value(value), json_string_length(value));
    else
        to[0] = '\0';
}

/* 1, 0, or -1 if the member is null or missing. */
static int answer_tristate(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);

    return json_is_boolean(value) ? json_is_true(value) : -1;
}

/* Copy a VIN. False: the value is none. */
static bool answer_vin(char vin[18], const json_t *value)
{
    const char *text = json_string_value(value);

    if (text == NULL || json_string_length(value) != 17 || !fr_is_vin(text))
        return false;
    memcpy(vin, text, 18);
    return true;
}

/* ---- account --------------------------------------------------------------------- */

int fr_answer_region(const json_t *root, char region[16], char base_url[FR_API_URL_SIZE],
                     const char *what, struct fr_api_error *error)
{
    const json_t *response = json_object_get(root, "response");
    const json_t *url = json_object_get(response, "fleet_api_base_url");
    const char *text = json_string_value(url);
    char host[FR_HTTP_HOST_SIZE] = "";

    answer_text(region, 16, response, "region");
    if (text != NULL && strncmp(text, "https://", 8) == 0)
        fr_http_read_host(text, json_string_length(url), host);
    if (host[0] == '\0' || strlen(host) + 8 >= FR_API_URL_SIZE)
        return answer_malformed(error, what, "fleet_api_base_url");
    snprintf(base_url, FR_API_URL_SIZE, "https://%.*s", FR_API_URL_SIZE - 9, host);
    return 0;
}

static void answer_vehicle(struct fr_api_vehicles *vehicles, const json_t *value, json_t *seen)
{
    struct fr_api_vehicle *vehicle;
    char vin[18], access[16];

    if (vehicles->count >= FR_API_VEHICLES_MAX || !answer_vin(vin, json_object_get(value, "vin")) ||
        json_object_get(seen, vin) != NULL)
        return;
    json_object_set_new(seen, vin, json_true());
    if ((vehicles->count & (vehicles->count - 1)) == 0) /* the capacity is a power of two */
        vehicles->list = fr_realloc(vehicles->list, vehicles->count != 0 ? 2 * vehicles->count : 1,
                                    sizeof *vehicles->list);
    vehicle = &vehicles->list[vehicles->count++];
    memcpy(vehicle->vin, vin, sizeof vin);
    answer_text(vehicle->name, sizeof vehicle->name, value, "display_name");
    answer_text(vehicle->state, sizeof vehicle->state, value, "state");
    answer_text(access, sizeof access, value, "access_type");
    vehicle->owner = strcmp(access, "DRIVER") != 0;
}

int fr_answer_vehicles(const json_t *root, struct fr_api_vehicles *vehicles, json_t *seen,
                       int64_t *next, const char *what, struct fr_api_error *error)
{
    const json_t *list = json_object_get(root, "response");
    const json_t *page = json_object_get(json_object_get(root, "pagination"), "next");

    if (!json_is_array(list))
        return answer_malformed(error, what, "list of vehicles");
    for (size_t i = 0; i < json_array_size(list); i++)
        answer_vehicle(vehicles, json_array_get(list, i), seen);
    *next = json_is_integer(page) ? json_integer_value(page) : 0;
    if (*next < 0 || *next > PAGES_MAX || json_array_size(list) == 0)
        *next = 0;
    return 0;
}

/* ---- fleet_status ---------------------------------------------------------------- */

/* The VINs of a list as members of an object, so that each is found in constant time. */
static json_t *answer_set(const json_t *list)
{
    json_t *set = json_object();
    char vin[18];

    for (size_t i = 0; i < json_array_size(list); i++)
        if (answer_vin(vin, json_array_get(list, i)))
            json_object_set_new(set, vin, json_true());
    return set;
}

static void answer_vehicle_status(struct fr_api_vehicle_status *status, const json_t *info)
{
    const json_t *keys = json_object_get(info, "total_number_of_keys");

    status->protocol_required = answer_tristate(info, "vehicle_command_protocol_required");
    status->toggle = answer_tristate(info, "safety_screen_streaming_toggle_enabled");
    status->total_keys = json_is_integer(keys) && json_integer_value(keys) >= 0 &&
                                 json_integer_value(keys) <= KEYS_MAX
                             ? (int)json_integer_value(keys)
                             : -1;
    answer_text(status->firmware, sizeof status->firmware, info, "firmware_version");
    answer_text(status->telemetry_version, sizeof status->telemetry_version, info,
                "fleet_telemetry_version");
}

int fr_answer_fleet_status(const json_t *root, const char *const *vins, size_t count,
                           struct fr_api_vehicle_status *status, const char *what,
                           struct fr_api_error *error)
{
    const json_t *response = json_object_get(root, "response");
    const json_t *infos = json_object_get(response, "vehicle_info");
    json_t *paired, *unpaired;

    if (!json_is_object(response) || !json_is_array(json_object_get(response, "key_paired_vins")))
        return answer_malformed(error, what, "list key_paired_vins");
    paired = answer_set(json_object_get(response, "key_paired_vins"));
    unpaired = answer_set(json_object_get(response, "unpaired_vins"));
    for (size_t i = 0; i < count; i++) {
        const json_t *info = json_object_get(infos, vins[i]);

        memset(&status[i], 0, sizeof status[i]);
        snprintf(status[i].vin, sizeof status[i].vin, "%s", vins[i]);
        status[i].key_paired = json_object_get(paired, vins[i]) != NULL;
        status[i].known = status[i].key_paired || json_object_get(unpaired, vins[i]) != NULL ||
                          json_is_object(info);
        answer_vehicle_status(&status[i], info);
    }
    json_decref(paired);
    json_decref(unpaired);
    return 0;
}

/* ---- telemetry configuration ----------------------------------------------------- */

static enum fr_api_skip answer_skip(const char *reason)
{
    static const char *const reasons[] = {
        [FR_API_SKIP_MISSING_KEY] = "missing_key",
        [FR_API_SKIP_HARDWARE] = "unsupported_hardware",
        [FR_API_SKIP_FIRMWARE] = "unsupported_firmware",
        [FR_API_SKIP_MAX_CONFIGS] = "max_configs",
    };

    for (size_t i = FR_API_SKIP_MISSING_KEY; i < sizeof reasons / sizeof *reasons; i++)
        if (strcmp(reason, reasons[i]) == 0)
            return (enum fr_api_skip)i;
    return FR_API_SKIP_OTHER;
}

int fr_answer_push(const json_t *root, const char *const *vins, size_t count,
                   enum fr_api_skip *skips, int64_t *updated, char other[64], const char *what,
                   struct fr_api_error *error)
{
    const json_t *response = json_object_get(root, "response");
    const json_t *number = json_object_get(response, "updated_vehicles");
    json_t *skipped = json_object_get(response, "skipped_vehicles"), *list, *index;
    const char *reason;

    other[0] = '\0';
    if (!json_is_integer(number) || json_integer_value(number) < 0 ||
        json_integer_value(number) > FR_API_VEHICLES_MAX)
        return answer_malformed(error, what, "number updated_vehicles");
    *updated = json_integer_value(number);
    index = json_object(); /* VIN → its index in `vins` */
    for (size_t i = 0; i < count; i++) {
        skips[i] = FR_API_SKIP_NONE;
        json_object_set_new(index, vins[i], json_integer((json_int_t)i));
    }
    json_object_foreach(skipped, reason, list)
    {
        enum fr_api_skip skip = answer_skip(reason);

        for (size_t i = 0; i < json_array_size(list); i++) {
            const char *vin = json_string_value(json_array_get(list, i));
            const json_t *place = vin != NULL ? json_object_get(index, vin) : NULL;

            if (place == NULL)
                continue;
            skips[json_integer_value(place)] = skip;
            if (skip == FR_API_SKIP_OTHER)
                fr_clean_text(other, 64, reason, strlen(reason));
        }
    }
    json_decref(index);
    return 0;
}

int fr_answer_config(const json_t *root, struct fr_api_config_state *state, const char *what,
                     struct fr_api_error *error)
{
    const json_t *response = json_object_get(root, "response");
    const json_t *config = json_object_get(response, "config");

    memset(state, 0, sizeof *state);
    if (!json_is_boolean(json_object_get(response, "synced")) ||
        (config != NULL && !json_is_null(config) && !json_is_object(config)))
        return answer_malformed(error, what, "member synced, or no valid config");
    state->synced = json_is_true(json_object_get(response, "synced"));
    state->limit_reached = json_is_true(json_object_get(response, "limit_reached"));
    state->key_paired = answer_tristate(response, "key_paired");
    if (json_is_object(config)) {
        state->config = fr_canonical_json_text(config);
        if (state->config == NULL)
            return fr_api_error_set(error, FR_API_LOCAL, "%s: no memory; free memory", what);
    }
    return 0;
}

/* ---- errors and the registered key ----------------------------------------------- */

static bool answer_vehicle_error(struct fr_api_vehicle_error *entry, const json_t *value)
{
    const json_t *text = json_object_get(value, "error");

    if (!answer_vin(entry->vin, json_object_get(value, "vin")))
        return false;
    answer_text(entry->created_at, sizeof entry->created_at, value, "created_at");
    answer_text(entry->name, sizeof entry->name, value, "name");
    answer_text(entry->error_name, sizeof entry->error_name, value, "error_name");
    entry->error[0] = '\0';
    if (json_is_string(text))
        fr_clean_message(entry->error, sizeof entry->error, json_string_value(text),
                         json_string_length(text));
    return true;
}

int fr_answer_errors(const json_t *root, struct fr_api_vehicle_errors *errors, const char *what,
                     struct fr_api_error *error)
{
    const json_t *list = json_object_get(root, "response");
    size_t count;

    if (json_is_object(list))
        list = json_object_get(list, "fleet_telemetry_errors");
    errors->list = NULL;
    errors->count = 0;
    if (!json_is_array(list))
        return answer_malformed(error, what, "list of errors");
    count = json_array_size(list);
    if (count > FR_API_ERRORS_MAX)
        count = FR_API_ERRORS_MAX;
    errors->list = fr_calloc(count + 1, sizeof *errors->list);
    for (size_t i = 0; i < count; i++)
        if (answer_vehicle_error(&errors->list[errors->count], json_array_get(list, i)))
            errors->count++;
    return 0;
}

int fr_answer_error_vins(const json_t *root, struct fr_api_vins *vins, const char *what,
                         struct fr_api_error *error)
{
    const json_t *list = json_object_get(root, "response");
    json_t *seen;
    size_t count;

    if (json_is_object(list))
        list = json_object_get(list, "fleet_telemetry_error_vins");
    vins->list = NULL;
    vins->count = 0;
    if (!json_is_array(list))
        return answer_malformed(error, what, "list of vehicles");
    count = json_array_size(list);
    if (count > FR_API_VEHICLES_MAX)
        count = FR_API_VEHICLES_MAX;
    vins->list = fr_calloc(count + 1, sizeof *vins->list);
    seen = json_object();
    for (size_t i = 0; i < count; i++) {
        char *vin = vins->list[vins->count];

        if (!answer_vin(vin, json_array_get(list, i)) || json_object_get(seen, vin) != NULL)
            continue;
        json_object_set_new(seen, vin, json_true());
        vins->count++;
    }
    json_decref(seen);
    return 0;
}

int fr_answer_public_key(const json_t *root, char **key, const char *what,
                         struct fr_api_error *error)
{
    const json_t *value = json_object_get(json_object_get(root, "response"), "public_key");
    const char *text = json_string_value(value);

    *key = NULL;
    if (text == NULL || strlen(text) != KEY_DIGITS ||
        strspn(text, "0123456789abcdefABCDEF") != KEY_DIGITS)
        return answer_malformed(error, what, "public key of 130 hexadecimal digits");
    *key = fr_strdup(text);
    for (char *at = *key; *at != '\0'; at++)
        *at = (char)tolower((unsigned char)*at);
    return 0;
}
