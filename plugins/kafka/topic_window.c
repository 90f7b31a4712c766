#include "topic_window.h"

#include <string.h>

#define BATCH_MAX 1000000   /* librdkafka's batch.size, in bytes */
#define LIMIT_MIN 1024      /* a smaller window is one record at a time */
#define RECORD_OVERHEAD 160 /* bytes: key, names of headers, lengths */
#define FIELD_MAX 1024      /* bytes: the JSON of a field's value */
#define BATCH_OVERHEAD 100  /* bytes */

size_t topic_window_cost(const struct fr_delivery *d)
{
    size_t value = d->kind == FR_DELIVERY_FIELD ? FIELD_MAX : d->len;

    return value + d->txid_len + strlen(d->record_type) + strlen(d->client_version) +
           2 * strlen(d->vin) + RECORD_OVERHEAD;
}

bool topic_window_allows(const struct topic_window *w, size_t cost)
{
    return !w->draining && (w->limit == 0 || w->count == 0 || w->bytes + cost <= w->limit);
}

void topic_window_sent(struct topic_window *w, size_t cost)
{
    w->bytes += cost;
    w->count++;
}

void topic_window_reported(struct topic_window *w, size_t cost)
{
    w->bytes -= cost;
    w->count--;
}

bool topic_window_drained(struct topic_window *w)
{
    if (w->count == 0)
        w->draining = false;
    return !w->draining;
}

bool topic_window_shrink(struct topic_window *w, size_t cost)
{
    if (w->draining)
        return true;
    if (w->limit != 0 && (w->limit < LIMIT_MIN || cost > w->limit))
        return false;
    w->limit = (w->limit != 0 ? w->limit : BATCH_MAX) / 4;
    if (w->limit < LIMIT_MIN)
        w->limit = 1;
    w->draining = true;
    return true;
}

void topic_window_learn(struct topic_window *w, size_t max_message_bytes)
{
    size_t limit = max_message_bytes > BATCH_OVERHEAD ? max_message_bytes - BATCH_OVERHEAD : 1;

    if (limit < LIMIT_MIN)
        limit = 1;
    else if (limit >= BATCH_MAX)
        limit = 0;
    /* Records in flight were sent under a larger limit: a failure does not prove that one record is
     * too large. */
    if (limit != 0 && (w->limit == 0 || limit < w->limit) && w->count > 1)
        w->draining = true;
    w->limit = limit;
}

void topic_window_widen(struct topic_window *w)
{
    if (w->limit != 0)
        w->limit = w->limit >= BATCH_MAX / 2 ? 0 : w->limit < LIMIT_MIN ? LIMIT_MIN : w->limit * 2;
}
