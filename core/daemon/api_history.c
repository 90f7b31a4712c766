#include "daemon/api_history.h"

#include <string.h>

#include "daemon/api_answer.h"
#include "daemon/api_vehicles.h"
#include "history/history.h"
#include "util/clock.h"

/* Find the vehicle that the path names. Returns false if nothing is known of it. */
static bool history_find_vehicle(struct fr_history *history, void *ctx, const char *text,
                                 char vin[FR_VIN_MAX + 1])
{
    size_t len = strlen(text);

    if (fr_api_vehicle_vin(ctx, text, vin))
        return true;
    if (!fr_vin_valid(text, len))
        return false;
    memcpy(vin, text, len + 1);
    if (fr_history_has_vehicle(history, vin))
        return true;
    fr_history_sync(history, FR_HISTORY_SYNC_MS); /* a vehicle whose first record was just stored */
    return fr_history_has_vehicle(history, vin);
}

static int history_answer(void *ctx, enum fr_history_what what, const struct fr_http_call *call,
                          struct fr_buffer *out)
{
    struct fr_history *history = fr_api_vehicles_history(ctx);
    struct fr_history_request request;
    struct fr_error error;
    char vin[FR_VIN_MAX + 1];

    if (history == NULL)
        return fr_api_put_error(out, 404, FR_NO_HISTORY);
    if (!history_find_vehicle(history, ctx, call->segment, vin))
        return fr_api_put_error(out, 404, "there is no such vehicle");
    if (fr_history_request_parse(&request, what, vin, call->query, fr_wall_ms(), &error) != 0)
        return fr_api_put_error(out, 400, error.text);
    if (fr_history_query(history, &request, fr_monotonic_ms() + FR_HISTORY_ANSWER_MS,
                         call->cancelled, out, &error) != 0)
        return fr_api_put_error(out, 503, error.text);
    return 200;
}

int fr_api_history(void *ctx, const struct fr_http_call *call, struct fr_buffer *out)
{
    return history_answer(ctx, FR_HISTORY_FIELDS, call, out);
}

int fr_api_track(void *ctx, const struct fr_http_call *call, struct fr_buffer *out)
{
    return history_answer(ctx, FR_HISTORY_TRACK, call, out);
}

int fr_api_sessions(void *ctx, const struct fr_http_call *call, struct fr_buffer *out)
{
    return history_answer(ctx, FR_HISTORY_SESSIONS, call, out);
}

int fr_api_alerts(void *ctx, const struct fr_http_call *call, struct fr_buffer *out)
{
    return history_answer(ctx, FR_HISTORY_ALERTS, call, out);
}

int fr_api_connections(void *ctx, const struct fr_http_call *call, struct fr_buffer *out)
{
    return history_answer(ctx, FR_HISTORY_CONNECTIONS, call, out);
}

int fr_api_signals(void *ctx, const struct fr_http_call *call, struct fr_buffer *out)
{
    return history_answer(ctx, FR_HISTORY_SIGNALS, call, out);
}
