/* device_state.h - what a device consists of; for the files device*.c only. */
#ifndef FR_DEVICE_STATE_H
#define FR_DEVICE_STATE_H

#include "ha_websocket/device.h"

struct device {
    const struct device_house *house;
    struct fr_ha_vehicle *vehicle;
    enum device_state state;
    struct remembered remembered;
    struct registration *asking;
    bool name_tracker; /* newly registered: its tracker gets our name */
    bool naming;
    int64_t registered_ms; /* monotonic; when it was last asked for or done */
    char tracker[160];
    struct fr_shown shown;
    struct fr_delivery **pending, **riding;
    size_t pending_count, pending_room, riding_count, riding_room;
    size_t commands;
    unsigned tries;
    unsigned dead_flights; /* in a row that ended with an unknown webhook */
    bool flying, unknown_entities, gone, keep_it;
    bool cut_short; /* the session had no room for all states of this flight */
    bool unsent;    /* a command of this batch could not be sent */
    bool queued;
    int64_t settle_ms; /* 0, or when all is told once more */
};

/* The vehicle's name. */
const char *device_name(const struct device *device);

/* Everything is to be told again. */
void device_tell_all(struct device *device);

/* Its registration must be looked up, in so many ms. */
void device_be_unknown(struct device *device, int64_t look_again_ms);

/* device_flight.c: answer the deliveries of a list, and empty it. */
void device_answer(const struct device *device, struct fr_delivery **list, size_t *count,
                   enum fr_outcome outcome);

#endif
