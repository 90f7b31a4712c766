#include "mqtt/in_flight.h"

uint16_t in_flight_next_id(const struct in_flight *f)
{
    return f->last_id == UINT16_MAX ? 1 : (uint16_t)(f->last_id + 1);
}

bool in_flight_has_capacity(const struct in_flight *f)
{
    return f->count < IN_FLIGHT_MAX && f->bytes < IN_FLIGHT_BYTES_MAX &&
           !f->message[in_flight_next_id(f)].used;
}

void in_flight_add(struct in_flight *f, const struct in_flight_message *message)
{
    struct in_flight_message *to = &f->message[in_flight_next_id(f)];

    *to = *message;
    to->used = true;
    f->count++;
    f->bytes += message->size;
}

void in_flight_used_id(struct in_flight *f, int id)
{
    f->last_id = (uint16_t)id;
}

bool in_flight_take(struct in_flight *f, int id, struct in_flight_message *message)
{
    if (id <= 0 || id > UINT16_MAX || !f->message[id].used)
        return false;
    *message = f->message[id];
    f->message[id] = (struct in_flight_message){0};
    f->count--;
    f->bytes -= message->size;
    return true;
}

bool in_flight_take_any(struct in_flight *f, struct in_flight_message *message)
{
    /* Ids are assigned in turn, so the oldest message has the first used id after last_id. */
    for (int n = 0, id = in_flight_next_id(f); n < UINT16_MAX && f->count != 0; n++) {
        if (in_flight_take(f, id, message))
            return true;
        id = id == UINT16_MAX ? 1 : id + 1;
    }
    return false;
}

const struct in_flight_message *in_flight_only(const struct in_flight *f)
{
    for (int id = 1; id <= UINT16_MAX && f->count == 1; id++)
        if (f->message[id].used)
            return &f->message[id];
    return NULL;
}
