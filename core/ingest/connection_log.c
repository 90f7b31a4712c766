#include "ingest/connection_log.h"

#include <pthread.h>
#include <stdio.h>
#include <sys/socket.h>

#include "route/routes.h"
#include "util/address.h"
#include "util/clock.h"
#include "util/log.h"
#include "util/plural.h"
#include "util/redact.h"

#define MINUTE_MS 60000
#define WHO_SIZE 160
#define BALANCER_SIZE (FR_ADDRESS_TEXT_SIZE + 16)

static pthread_mutex_t connection_log_lock = PTHREAD_MUTEX_INITIALIZER; /* of the next three */
static int64_t minute_ms = -MINUTE_MS; /* monotonic: begin of the present minute of lines */
static unsigned lines;                 /* of that minute */
static unsigned suppressed;            /* of that minute */

static bool connection_log_allowed(void)
{
    int64_t now = fr_monotonic_ms();
    unsigned report = 0;
    bool allowed;

    pthread_mutex_lock(&connection_log_lock);
    if (now - minute_ms >= MINUTE_MS) {
        report = suppressed;
        minute_ms = now;
        lines = suppressed = 0;
    }
    allowed = lines < FR_CONNECTION_LOG_MAX;
    if (allowed)
        lines++;
    else
        suppressed++;
    pthread_mutex_unlock(&connection_log_lock);
    if (report != 0)
        fr_log(FR_LOG_INFO,
               "%u more line%s about vehicles that connect and disconnect %s suppressed", report,
               fr_plural(report), report == 1 ? "was" : "were");
    return allowed;
}

/* "NAME (VIN)", or the VIN alone if the routing file has no name or redaction is on. */
static const char *connection_log_who(const struct fr_connection *c, char who[WHO_SIZE])
{
    const char *name = fr_routes_vehicle_name(c->worker->routes, c->identity.vin);
    char vin[FR_REDACTED_VIN_SIZE];

    if (name == NULL || fr_redacting())
        snprintf(who, WHO_SIZE, "%s", fr_display_vin(c->identity.vin, vin));
    else
        snprintf(who, WHO_SIZE, "%.60s (%s)", name, c->identity.vin);
    return who;
}

/* " through ADDRESS" of the load balancer; "" if the vehicle connected directly. */
static const char *connection_log_balancer(const struct fr_connection *c, char text[BALANCER_SIZE])
{
    struct sockaddr_storage address = {.ss_family = AF_UNSPEC};
    socklen_t len = sizeof address;
    char name[FR_ADDRESS_TEXT_SIZE];

    text[0] = '\0';
    if (c->proxied && c->source != FR_SOURCE_NONE &&
        getpeername(c->fd, (struct sockaddr *)&address, &len) == 0) {
        fr_address_text(&address, name);
        snprintf(text, BALANCER_SIZE, " through %s", name);
    }
    return text;
}

void fr_connection_log_opened(struct fr_connection *c, const char *user_agent)
{
    const char *interface = c->identity.network_interface;
    char who[WHO_SIZE], balancer[BALANCER_SIZE];

    c->opened_ms = fr_monotonic_ms();
    if (connection_log_allowed())
        fr_log(FR_LOG_INFO, "%s connected from %s%s%s%.40s", connection_log_who(c, who), c->peer,
               connection_log_balancer(c, balancer), interface[0] != '\0' ? " over " : "",
               interface);
    fr_log(FR_LOG_DEBUG, "%s: client version %s (%s)", connection_log_who(c, who),
           c->identity.client_version, user_agent);
}

void fr_connection_log_ended(const struct fr_connection *c)
{
    long long seconds = (long long)((fr_monotonic_ms() - c->opened_ms) / 1000);
    char who[WHO_SIZE];

    if (connection_log_allowed())
        fr_log(FR_LOG_INFO, "%s disconnected from %s after %lld s", connection_log_who(c, who),
               c->peer, seconds);
}
