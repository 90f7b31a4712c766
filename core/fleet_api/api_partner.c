#include "fleet_api/api_partner.h"

#include <string.h>

#include "fleet_api/api_answer.h"
#include "fleet_api/api_request.h"
#include "fleet_api/form.h"
#include "util/json_text.h"

static int api_partner_need_domain(const struct fr_api *api, struct fr_api_error *error)
{
    if (api->domain != NULL)
        return 0;
    return fr_api_error_set(error, FR_API_LOCAL,
                            "the domain is not known; set `tesla: domain` in fleetroute.yaml");
}

int fr_api_register(struct fr_api *api, struct fr_api_error *error)
{
    struct fr_api_call call = {.what = "register the domain",
                               .method = "POST",
                               .path = "/api/1/partner_accounts",
                               .partner = true};
    struct fr_buffer body = {0};
    json_t *answer;
    int status;

    if (api_partner_need_domain(api, error) != 0)
        return -1;
    fr_buffer_text(&body, "{\"domain\":");
    fr_json_string(&body, api->domain, strlen(api->domain));
    fr_buffer_byte(&body, '}');
    call.body = fr_buffer_string(&body);
    status = fr_api_request(api, &call, &answer, error);
    json_decref(answer);
    fr_buffer_free(&body);
    return status;
}

char *fr_api_registered_key(struct fr_api *api, struct fr_api_error *error)
{
    struct fr_api_call call = {.what = "get the registered key", .method = "GET", .partner = true};
    struct fr_buffer path = {0};
    char *key = NULL;
    json_t *answer;

    if (api_partner_need_domain(api, error) != 0)
        return NULL;
    fr_buffer_text(&path, "/api/1/partner_accounts/public_key?");
    fr_form_put(&path, "domain", api->domain);
    call.path = fr_buffer_string(&path);
    if (fr_api_request(api, &call, &answer, error) == 0)
        fr_answer_public_key(answer, &key, call.what, error);
    json_decref(answer);
    fr_buffer_free(&path);
    return key;
}
