#include "fleet_api/api_user.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fleet_api/api_answer.h"
#include "fleet_api/api_request.h"
#include "fleet_api/clean_text.h"
#include "util/clock.h"
#include "util/json_text.h"
#include "util/memory.h"

/* Vehicles that a page is asked for, and max pages that are read. */
#define PAGE_SIZE 100
#define PAGES_MAX 2000
/* Max time for all pages, in ms. */
#define PAGES_MS (INT64_C(5) * 60 * 1000)
/* VINs of one request of fleet_status. */
#define STATUS_VINS_MAX 1000

int fr_api_region(struct fr_api *api, char region[16], struct fr_api_error *error)
{
    struct fr_api_call call = {
        .what = "ask for the region", .method = "GET", .path = "/api/1/users/region"};
    char url[FR_API_URL_SIZE], host[FR_HTTP_HOST_SIZE];
    json_t *answer;
    int status = fr_api_request(api, &call, &answer, error);

    if (status == 0)
        status = fr_answer_region(answer, region, url, call.what, error);
    json_decref(answer);
    if (status != 0)
        return -1;
    fr_http_host(url, host);
    if (!fr_api_session_trusts(api, host))
        return fr_api_error_set(
            error, FR_API_WRONG_REGION,
            "%s: the answer names %s, which is not a host of Tesla's Fleet API; "
            "check `tesla: base_url`",
            call.what, host);
    if (!api->region_is_fixed)
        fr_api_session_move(api, url);
    return 0;
}

int fr_api_vehicles(struct fr_api *api, struct fr_api_vehicles *vehicles,
                    struct fr_api_error *error)
{
    json_t *seen = json_object();
    int64_t page = 1, next = 1, end_ms = fr_monotonic_ms() + PAGES_MS;
    int status = 0;

    vehicles->list = NULL;
    vehicles->count = 0;
    for (unsigned pages = 0; status == 0 && next != 0 && pages < PAGES_MAX; pages++) {
        char *path =
            fr_asprintf("/api/1/vehicles?page=%lld&page_size=%d", (long long)next, PAGE_SIZE);
        struct fr_api_call call = {.what = "list vehicles", .method = "GET", .path = path};
        size_t before = vehicles->count;
        json_t *answer;

        page = next;
        status = fr_api_request(api, &call, &answer, error);
        if (status == 0)
            status = fr_answer_vehicles(answer, vehicles, seen, &next, call.what, error);
        /* Pages only go forward, and each has another vehicle. */
        if (next <= page || vehicles->count == before || vehicles->count >= FR_API_VEHICLES_MAX)
            next = 0;
        if (status == 0 && next != 0 && fr_monotonic_ms() >= end_ms)
            status = fr_api_error_set(
                error, FR_API_NETWORK,
                "%s: the pages did not arrive within 5 minutes; try again later", call.what);
        json_decref(answer);
        free(path);
    }
    json_decref(seen);
    if (status != 0) {
        free(vehicles->list);
        vehicles->list = NULL;
        vehicles->count = 0;
    }
    return status;
}

/* Up to STATUS_VINS_MAX vehicles. */
static int api_user_status(struct fr_api *api, const char *const *vins, size_t count,
                           struct fr_api_vehicle_status *status, struct fr_api_error *error)
{
    struct fr_api_call call = {.what = "ask for the status of the vehicles",
                               .method = "POST",
                               .path = "/api/1/vehicles/fleet_status"};
    struct fr_buffer body = {0};
    json_t *answer;
    int result;

    fr_buffer_byte(&body, '{');
    fr_api_put_vins(&body, vins, count);
    fr_buffer_byte(&body, '}');
    call.body = fr_buffer_string(&body);
    result = fr_api_request(api, &call, &answer, error);
    if (result == 0)
        result = fr_answer_fleet_status(answer, vins, count, status, call.what, error);
    json_decref(answer);
    fr_buffer_free(&body);
    return result;
}

/* A vehicle that is not of this account can make Tesla answer 404 for all: ask for halves, so that
 * one vehicle that was sold does not hide the others. */
static int api_user_status_split(struct fr_api *api, const char *const *vins, size_t count,
                                 struct fr_api_vehicle_status *status, struct fr_api_error *error)
{
    size_t half = count / 2;

    if (api_user_status(api, vins, count, status, error) == 0)
        return 0;
    if (error->cause != FR_API_NOT_FOUND)
        return -1;
    if (count == 1) {
        memset(status, 0, sizeof *status);
        snprintf(status->vin, sizeof status->vin, "%s", vins[0]);
        status->protocol_required = status->toggle = status->total_keys = -1;
        return 0;
    }
    return api_user_status_split(api, vins, half, status, error) != 0
               ? -1
               : api_user_status_split(api, vins + half, count - half, status + half, error);
}

int fr_api_fleet_status(struct fr_api *api, const char *const *vins, size_t count,
                        struct fr_api_vehicle_status *status, struct fr_api_error *error)
{
    for (size_t done = 0; done < count; done += STATUS_VINS_MAX) {
        size_t part = count - done < STATUS_VINS_MAX ? count - done : STATUS_VINS_MAX;

        if (api_user_status_split(api, vins + done, part, status + done, error) != 0)
            return -1;
    }
    return 0;
}
