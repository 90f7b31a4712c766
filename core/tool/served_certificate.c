#include "tool/served_certificate.h"

#include "fleet_api/push_ca.h"
#include "tool/control_client.h"

#define LIMIT_MS 5000

void fr_served_certificate_keep(struct fr_push_plan *plan, const struct fr_state *state,
                                int64_t now_ms)
{
    struct fr_error ignored;
    const char *pem;
    json_t *reply;

    if (plan->json == NULL || plan->server->control == NULL ||
        !fr_push_ca_is_changing(plan, state, now_ms))
        return;
    reply = fr_control_ask(plan->server->control, "certificate", LIMIT_MS, &ignored);
    pem = json_string_value(json_object_get(reply, "pem"));
    if (pem != NULL)
        fr_push_ca_keep_served(plan, state, now_ms, pem);
    json_decref(reply);
}
