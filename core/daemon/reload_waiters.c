#include "daemon/reload_waiters.h"

#include <stdio.h>
#include <string.h>

#include "admin/http_later.h"
#include "record/json.h"
#include "util/log.h"

bool fr_reload_waiters_have_capacity(const struct fr_daemon *d)
{
    return d->reload_waiter_count < FR_RELOAD_WAITERS_MAX;
}

void fr_reload_waiters_add(struct fr_daemon *d, uint64_t number, const struct fr_http_call *call)
{
    struct fr_reload_waiter *waiter = &d->reload_waiters[d->reload_waiter_count++];

    snprintf(waiter->who, sizeof waiter->who, "%s", call->who);
    waiter->number = number;
    waiter->later = fr_http_later(call);
}

static void waiters_answer(struct fr_reload_waiter *waiter, bool ok, int code, const char *message,
                           struct fr_buffer *report)
{
    const char *text = report != NULL ? fr_buffer_string(report) : "";
    struct fr_buffer body = {0};

    fr_log(FR_LOG_NOTICE, "admin: %s: the reload has finished: %s", waiter->who, message);
    fr_buffer_printf(&body, "{\"ok\":%s,\"message\":", ok ? "true" : "false");
    fr_json_string(&body, message, strlen(message));
    fr_buffer_text(&body, ",\"report\":");
    fr_json_string(&body, text, strlen(text));
    fr_buffer_byte(&body, '}');
    fr_http_send_later(waiter->later, code, &body);
    fr_buffer_free(&body);
}

void fr_reload_waiters_answer(struct fr_daemon *d, bool reloaded, const char *message)
{
    size_t left = 0;

    for (size_t i = 0; i < d->reload_waiter_count; i++)
        if (d->reload_waiters[i].number == d->reload_number)
            waiters_answer(&d->reload_waiters[i], reloaded, reloaded ? 200 : 409, message,
                           &d->reload_report);
        else
            d->reload_waiters[left++] = d->reload_waiters[i];
    d->reload_waiter_count = left;
}

void fr_reload_waiters_abandon(struct fr_daemon *d)
{
    for (size_t i = 0; i < d->reload_waiter_count; i++)
        waiters_answer(&d->reload_waiters[i], false, 503, "the daemon stops", NULL);
    d->reload_waiter_count = 0;
}
