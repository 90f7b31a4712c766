#include "daemon/deferred_certificate.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "fleet_api/ca_verify.h"
#include "fleet_api/pushed_ca.h"
#include "ingest/tls.h"
#include "util/clock.h"
#include "util/log.h"

#define WARN_MS (INT64_C(24) * 3600 * 1000)

/* What a vehicle with a pushed `ca` alone does. */
struct deferred_verdict {
    bool known; /* the file could be read */
    bool accepts_current, accepts_changed;
};

struct deferred_verdicts {
    struct fr_pushed_ca_list list;
    struct deferred_verdict verdicts[FR_PUSHED_CA_MAX];
};

/* ---- the pushed lists ------------------------------------------------------------ */

static bool deferred_accepts(const STACK_OF(X509) * list, const SSL_CTX *context)
{
    STACK_OF(X509) *chain = NULL;

    SSL_CTX_get0_chain_certs((SSL_CTX *)(uintptr_t)context, &chain);
    return fr_ca_verify_list(SSL_CTX_get0_certificate(context), chain, list, NULL, NULL) ==
           X509_V_OK;
}

static void deferred_judge_lists(struct deferred_verdicts *v, const char *folder,
                                 const SSL_CTX *current, const SSL_CTX *changed)
{
    for (size_t i = 0; i < v->list.count; i++) {
        char *ca = fr_pushed_ca_read(folder, v->list.digests[i]);
        STACK_OF(X509) * list;

        if (ca == NULL)
            continue;
        list = fr_ca_parse(ca);
        v->verdicts[i] =
            (struct deferred_verdict){.known = true,
                                      .accepts_current = deferred_accepts(list, current),
                                      .accepts_changed = deferred_accepts(list, changed)};
        sk_X509_pop_free(list, X509_free);
        free(ca);
    }
}

/* The verdict of a pushed list; unknown for "" and for one that is not looked at. */
static struct deferred_verdict deferred_find(const struct deferred_verdicts *v, const char *digest)
{
    for (size_t i = 0; i < v->list.count; i++)
        if (strcmp(v->list.digests[i], digest) == 0)
            return v->verdicts[i];
    return (struct deferred_verdict){0};
}

/* ---- the vehicles ---------------------------------------------------------------- */

/* Until a vehicle is seen to have taken a push it can have the list before, too. */
static bool deferred_would_reject(const struct deferred_verdicts *v,
                                  const struct fr_state_vehicle *vehicle)
{
    struct deferred_verdict pushed = deferred_find(v, vehicle->ca), before = {0};

    if (vehicle->synced_ms < vehicle->pushed_ms)
        before = deferred_find(v, vehicle->former_ca);
    return ((pushed.known && !pushed.accepts_changed) ||
            (before.known && !before.accepts_changed)) &&
           (pushed.accepts_current || before.accepts_current);
}

/* The vehicles that would reject the changed certificate and accept the current one. */
static size_t deferred_count(const struct fr_state *state, const char *folder,
                             const SSL_CTX *current, const SSL_CTX *changed)
{
    struct deferred_verdicts verdicts = {0};
    int64_t now_ms = fr_wall_ms();
    size_t count = 0;

    fr_pushed_ca_list(state, now_ms, &verdicts.list);
    deferred_judge_lists(&verdicts, folder, current, changed);
    for (size_t i = 0; i < state->vehicle_count; i++)
        if (fr_pushed_ca_is_used(&state->vehicles[i], now_ms) &&
            deferred_would_reject(&verdicts, &state->vehicles[i]))
            count++;
    return count;
}

/* ---- the decision ---------------------------------------------------------------- */

static void deferred_warn(struct fr_deferred_certificate *deferred)
{
    int64_t now_ms = fr_monotonic_ms();
    time_t until = (time_t)deferred->until_s;
    char text[32] = "?";
    struct tm utc;

    if (deferred->warned_ms != 0 && now_ms - deferred->warned_ms < WARN_MS)
        return;
    deferred->warned_ms = now_ms;
    if (gmtime_r(&until, &utc) != NULL)
        strftime(text, sizeof text, "%Y-%m-%d %H:%M UTC", &utc);
    fr_log(FR_LOG_WARNING,
           "the renewed certificate is not served yet: %zu vehicle%s would reject it, because "
           "its CA is not in the `ca` that was pushed; `fleetroute keep` pushes the CA, and the "
           "certificate is served when the vehicles have it, at the latest on %s; a restart "
           "serves it at once",
           deferred->vehicles, deferred->vehicles == 1 ? "" : "s", text);
}

static bool deferred_end(struct fr_deferred_certificate *deferred, const char *reason)
{
    if (deferred->present)
        fr_log(FR_LOG_NOTICE, "the renewed certificate is served now: %s", reason);
    *deferred = (struct fr_deferred_certificate){0};
    return false;
}

bool fr_deferred_certificate_check(struct fr_deferred_certificate *deferred,
                                   const struct fr_tesla_config *tesla, struct fr_upkeep *upkeep,
                                   const SSL_CTX *current, const SSL_CTX *changed)
{
    const X509 *served = SSL_CTX_get0_certificate(current);
    int64_t until_s = fr_tls_expiry(current) - FR_DEFERRED_MARGIN_S;
    const struct fr_state *state;
    size_t vehicles;

    if (X509_cmp(served, SSL_CTX_get0_certificate(changed)) == 0)
        return deferred_end(deferred, "it is the former one");
    if (fr_wall_ms() / 1000 >= until_s)
        return deferred_end(deferred, "the former one ends within a day; vehicles without its CA "
                                      "reject it until they take the pushed configuration");
    state = fr_upkeep_state(upkeep, tesla);
    vehicles = state != NULL ? deferred_count(state, tesla->folder, current, changed) : 0;
    if (vehicles == 0)
        return deferred_end(deferred, "no vehicle is known that rejects it");
    if (!deferred->present)
        *deferred = (struct fr_deferred_certificate){.present = true, .since_ms = fr_wall_ms()};
    deferred->until_s = until_s;
    deferred->vehicles = vehicles;
    deferred->checked_ms = fr_monotonic_ms();
    deferred_warn(deferred);
    return true;
}

bool fr_deferred_certificate_is_due(const struct fr_deferred_certificate *deferred)
{
    return deferred->present && fr_monotonic_ms() - deferred->checked_ms >= FR_DEFERRED_CHECK_MS;
}
