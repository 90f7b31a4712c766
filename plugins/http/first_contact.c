#include "http/first_contact.h"

#include <event2/event.h>
#include <stdlib.h>

#include "http/away.h"
#include "http/http_state.h"
#include "http/outcomes.h"

#define REPEAT_S 2

struct first_contact {
    struct http_sink *sink;
    struct transfer *transfer;
    struct event *timer;
};

/* Whether requests show the health. */
static bool contact_is_needless(const struct http_sink *sink)
{
    return sink->is_up || away_is_active(sink->away);
}

static void contact_on_end(void *ctx, const struct answer *answer)
{
    struct first_contact *contact = ctx;
    char why[WHY_SIZE];

    if (contact_is_needless(contact->sink))
        return;
    if (answer->code == CURLE_OK) {
        outcome_report_up(contact->sink);
        event_add(contact->timer, &(struct timeval){0, 0}); /* frees the connection */
        return;
    }
    outcome_opinion(answer, why, sizeof why);
    outcome_report_down(contact->sink, why);
    event_add(contact->timer, &(struct timeval){REPEAT_S, 0});
}

static void contact_attempt(evutil_socket_t fd, short what, void *ctx)
{
    struct first_contact *contact = ctx;

    (void)fd, (void)what;
    transfer_free(contact->transfer);
    contact->transfer = NULL;
    if (contact_is_needless(contact->sink))
        return;
    contact->transfer =
        transfer_new(requests_transfers(contact->sink->requests), contact_on_end, contact);
    if (contact->transfer == NULL || !requests_connect(contact->sink->requests, contact->transfer))
        event_add(contact->timer, &(struct timeval){REPEAT_S, 0});
}

struct first_contact *first_contact_new(struct http_sink *sink)
{
    struct first_contact *contact = calloc(1, sizeof *contact);

    if (contact == NULL)
        return NULL;
    contact->sink = sink;
    contact->timer =
        event_new(sink->host->event_base(sink->handle), -1, 0, contact_attempt, contact);
    if (contact->timer != NULL && event_add(contact->timer, &(struct timeval){0, 0}) == 0)
        return contact;
    first_contact_free(contact);
    return NULL;
}

void first_contact_free(struct first_contact *contact)
{
    if (contact == NULL)
        return;
    transfer_free(contact->transfer);
    if (contact->timer != NULL)
        event_free(contact->timer);
    free(contact);
}
