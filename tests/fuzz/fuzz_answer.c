/* What comes from Tesla, or from a file that another process wrote: the parsers of answers, of header
 * fields, of errors, of tokens and of the state. The first byte selects one of them. Nothing
 * crashes; what is read is within its limits, and fit for a terminal. */
#include <fcntl.h>
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fleet_api/access_token.h"
#include "fleet_api/api_answer.h"
#include "fleet_api/api_error.h"
#include "fleet_api/clean_text.h"
#include "fleet_api/oauth.h"
#include "fleet_api/secret_file.h"
#include "fleet_api/state.h"
#include "fleet_api/token_answer.h"
#include "fleet_api/tokens.h"
#include "util/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

static const char *const vins[] = {"5YJ3E1EA7KF000001", "5YJ3E1EA7KF000002", "7SAYGDEE9PF000003"};
#define VINS (sizeof vins / sizeof *vins)

static void require(bool condition)
{
    if (!condition)
        __builtin_trap();
}

/* Valid UTF-8 without control characters, shorter than `size`. */
static void check_text(const char *text, size_t size)
{
    size_t len = strnlen(text, size), step;

    require(len < size);
    for (size_t i = 0; i < len; i += step) {
        step = fr_utf8_length((const uint8_t *)text + i, len - i);
        require(step > 0);
        require((uint8_t)text[i] >= 0x20 && text[i] != 0x7f);
        require(step != 2 || (uint8_t)text[i] != 0xc2 || (uint8_t)text[i + 1] >= 0xa0);
    }
}

static void check_error(const struct fr_api_error *error)
{
    require(error->cause > FR_API_OK && error->cause <= FR_API_MALFORMED);
    require(error->error.text[0] != '\0');
    check_text(error->error.text, sizeof error->error.text);
}

/* ---- answers --------------------------------------------------------------------- */

static void try_vehicles(const json_t *root, struct fr_api_error *error)
{
    struct fr_api_vehicles vehicles = {NULL, 0};
    json_t *seen = json_object();
    int64_t next = 0;

    if (fr_answer_vehicles(root, &vehicles, seen, &next, "list", error) != 0)
        check_error(error);
    else
        require(next >= 0);
    for (size_t i = 0; i < vehicles.count; i++) {
        require(fr_is_vin(vehicles.list[i].vin));
        check_text(vehicles.list[i].name, sizeof vehicles.list[i].name);
        check_text(vehicles.list[i].state, sizeof vehicles.list[i].state);
    }
    require(vehicles.count == json_object_size(seen));
    free(vehicles.list);
    json_decref(seen);
}

static void try_status(const json_t *root, struct fr_api_error *error)
{
    struct fr_api_vehicle_status status[VINS];

    if (fr_answer_fleet_status(root, vins, VINS, status, "status", error) != 0) {
        check_error(error);
        return;
    }
    for (size_t i = 0; i < VINS; i++) {
        require(strcmp(status[i].vin, vins[i]) == 0);
        require(status[i].toggle >= -1 && status[i].toggle <= 1 && status[i].total_keys >= -1);
        check_text(status[i].firmware, sizeof status[i].firmware);
        check_text(status[i].telemetry_version, sizeof status[i].telemetry_version);
    }
}

static void try_push(const json_t *root, struct fr_api_error *error)
{
    enum fr_api_skip skips[VINS];
    int64_t updated;
    char other[64];

    if (fr_answer_push(root, vins, VINS, skips, &updated, other, "push", error) != 0) {
        check_error(error);
        return;
    }
    require(updated >= 0 && updated <= FR_API_VEHICLES_MAX);
    check_text(other, sizeof other);
    for (size_t i = 0; i < VINS; i++)
        require(skips[i] <= FR_API_SKIP_OTHER);
}

static void try_config(const json_t *root, struct fr_api_error *error)
{
    struct fr_api_config_state state;
    json_error_t problem;
    json_t *again;

    if (fr_answer_config(root, &state, "get", error) != 0) {
        check_error(error);
        return;
    }
    if (state.config != NULL) {
        /* Go writes 1e20 as an integer, which jansson reads only as a real. */
        again = json_loads(state.config, JSON_DECODE_INT_AS_REAL, &problem);
        require(json_is_object(again));
        json_decref(again);
    }
    free(state.config);
}

static void try_errors(const json_t *root, struct fr_api_error *error)
{
    struct fr_api_vehicle_errors errors;

    if (fr_answer_errors(root, &errors, "errors", error) != 0) {
        check_error(error);
        return;
    }
    require(errors.count <= FR_API_ERRORS_MAX);
    for (size_t i = 0; i < errors.count; i++) {
        require(fr_is_vin(errors.list[i].vin));
        check_text(errors.list[i].created_at, sizeof errors.list[i].created_at);
        check_text(errors.list[i].name, sizeof errors.list[i].name);
        check_text(errors.list[i].error_name, sizeof errors.list[i].error_name);
        check_text(errors.list[i].error, sizeof errors.list[i].error);
    }
    free(errors.list);
}

static void try_error_vins(const json_t *root, struct fr_api_error *error)
{
    struct fr_api_vins list;

    if (fr_answer_error_vins(root, &list, "vins", error) != 0) {
        check_error(error);
        return;
    }
    for (size_t i = 0; i < list.count; i++)
        require(fr_is_vin(list.list[i]));
    free(list.list);
}

static void try_small(const json_t *root, struct fr_api_error *error)
{
    char region[16], url[FR_API_URL_SIZE], *key;

    try_error_vins(root, error);
    if (fr_answer_region(root, region, url, "region", error) == 0) {
        check_text(region, sizeof region);
        check_text(url, sizeof url);
        require(strncmp(url, "https://", 8) == 0 && strchr(url + 8, '/') == NULL);
    } else
        check_error(error);
    if (fr_answer_public_key(root, &key, "key", error) == 0)
        require(strlen(key) == 130);
    else
        check_error(error);
    free(key);
}

static void try_answer(uint8_t which, const char *text, size_t len)
{
    static void (*const parsers[])(const json_t *, struct fr_api_error *) = {
        try_vehicles, try_status, try_push, try_config, try_errors, try_small};
    struct fr_api_error error;
    json_error_t problem;
    json_t *root = json_loadb(text, len, 0, &problem);

    if (json_is_object(root))
        parsers[which % (sizeof parsers / sizeof *parsers)](root, &error);
    json_decref(root);
}

/* ---- the rest -------------------------------------------------------------------- */

/* The header up to an empty line, then the body. */
static void try_response(const char *text, size_t len)
{
    static const int statuses[] = {400, 401, 403, 404, 421, 429, 302, 503, 204};
    struct fr_http_response response = {0};
    struct fr_api_error error;
    size_t at = 0;

    fr_http_response_reset(&response);
    while (at < len) {
        const char *end = memchr(text + at, '\n', len - at);
        size_t line = end != NULL ? (size_t)(end - text) + 1 - at : len - at;

        fr_http_response_read(&response, text + at, line, INT64_C(1800000000000));
        at += line;
        if (line == 1)
            break;
    }
    require(response.retry_after_s >= -1 && response.retry_after_s <= 366 * 86400);
    require(response.date_ms >= -1);
    check_text(response.alternative, sizeof response.alternative);
    check_text(response.redirect, sizeof response.redirect);
    response.body = malloc(len - at + 1);
    if (response.body == NULL)
        abort();
    memcpy(response.body, text + at, len - at);
    response.body[len - at] = '\0';
    response.len = len - at;
    response.status = statuses[len % (sizeof statuses / sizeof *statuses)];
    require(fr_api_error_from(&error, "call", &response) == -1);
    check_error(&error);
    fr_http_response_free(&response);
}

static char folder[64];

static void folder_remove(void)
{
    char path[96];

    snprintf(path, sizeof path, "%s/state.json", folder);
    unlink(path);
    snprintf(path, sizeof path, "%s/tokens.json", folder);
    unlink(path);
    rmdir(folder);
}

/* Write a file in a folder that is made once. */
static void put_file(const char *name, const char *text, size_t len)
{
    char path[96];
    int fd;

    if (folder[0] == '\0') {
        strcpy(folder,
               access("/dev/shm", W_OK) == 0 ? "/dev/shm/fr-fuzz.XXXXXX" : "/tmp/fr-fuzz.XXXXXX");
        if (mkdtemp(folder) == NULL)
            abort();
        atexit(folder_remove);
    }
    snprintf(path, sizeof path, "%s/%s", folder, name);
    fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (fd < 0 || write(fd, text, len) != (ssize_t)len || close(fd) != 0)
        abort();
}

static void try_state(const char *text, size_t len)
{
    struct fr_state state;
    struct fr_error error;

    put_file("state.json", text, len);
    if (fr_state_read(folder, &state, &error) != 0)
        return;
    for (size_t i = 0; i < state.vehicle_count; i++) {
        require(fr_is_vin(state.vehicles[i].vin));
        require(i == 0 || strcmp(state.vehicles[i - 1].vin, state.vehicles[i].vin) < 0);
        check_text(state.vehicles[i].remedy, sizeof state.vehicles[i].remedy);
        check_text(state.vehicles[i].problem, sizeof state.vehicles[i].problem);
    }
    check_text(state.failure, sizeof state.failure);
    check_text(state.blocked, sizeof state.blocked);
    fr_state_free(&state);
}

static void try_tokens(const char *text, size_t len)
{
    struct fr_token_answer answer;
    struct fr_access_claims claims;
    struct fr_api_error error;
    char *copy = strndup(text, len);

    if (fr_token_answer_read(&answer, text, len, &error) == 0) {
        require(answer.access[0] != '\0' && answer.lifetime_s >= 0);
        fr_token_answer_free(&answer);
    } else
        check_error(&error);
    if (copy == NULL)
        abort();
    fr_access_claims_read(&claims, copy);
    require(claims.base_url == NULL || strncmp(claims.base_url, "https://fleet-api.", 18) == 0);
    fr_access_claims_free(&claims);
    free(copy);
}

static void try_tokens_file(const char *text, size_t len)
{
    struct fr_tokens tokens;
    struct fr_error error = {""};

    put_file("tokens.json", text, len);
    if (fr_tokens_read(folder, &tokens, &error) != FR_TOKENS_READ) {
        require(error.text[0] != '\0' && tokens.access == NULL && tokens.refresh == NULL);
        return;
    }
    require(tokens.access_expires_ms >= 0 && tokens.refresh_issued_ms >= 0);
    require(tokens.base_url == NULL || strncmp(tokens.base_url, "https://", 8) == 0);
    require(tokens.access == NULL || strpbrk(tokens.access, " \r\n") == NULL);
    fr_tokens_free(&tokens);
}

static void try_pasted(const char *text, size_t len)
{
    static const struct fr_oauth_app app = {"https://a.example/t", "https://a.example/a", "id",
                                            "secret", "https://a.example/cb"};
    char region[8], *copy = strndup(text, len), *code;
    struct fr_error error = {""};

    if (copy == NULL)
        abort();
    code = fr_oauth_code(&app, copy, "st", region, &error);
    check_text(region, sizeof region);
    if (code == NULL)
        check_text(error.text, sizeof error.text);
    fr_secret_free(code);
    free(copy);
}

static void try_text(const char *text, size_t len)
{
    char cleaned[300];

    for (size_t size = 1; size <= sizeof cleaned; size += 23) {
        fr_clean_text(cleaned, size, text, len);
        check_text(cleaned, size);
        fr_clean_message(cleaned, size, text, len);
        check_text(cleaned, size);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    const char *text = (const char *)bytes + 1;

    if (len == 0)
        return 0;
    switch (bytes[0] % 12) {
    case 6:
        try_response(text, len - 1);
        break;
    case 7:
        try_state(text, len - 1);
        break;
    case 8:
        try_tokens(text, len - 1);
        break;
    case 9:
        try_pasted(text, len - 1);
        break;
    case 10:
        try_tokens_file(text, len - 1);
        break;
    case 11:
        try_text(text, len - 1);
        break;
    default:
        try_answer(bytes[0] % 12, text, len - 1);
    }
    return 0;
}
