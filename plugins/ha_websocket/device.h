/*
 * device.h - one vehicle as a device of Home Assistant: what it is registered as, what is shown
 * of it, and its flight of commands.
 */
#ifndef FR_DEVICE_H
#define FR_DEVICE_H

#include "ha_websocket/registration.h"
#include "ha_websocket/session.h"
#include "home_assistant/shown.h"
#include "text_buffer.h"

/* What devices share. */
struct device_house {
    struct fr_sink *sink;
    const struct fr_host *host;
    const struct peer *peer;
    const char *folder; /* the sink's state; NULL: it cannot be made */
    struct fr_text_buffer
        *not_written;        /* why a registration could not be written; empty: all were */
    int64_t *write_again_ms; /* monotonic: when it is tried again after that */
    struct session *session;
    size_t *registering; /* how many are */
    int64_t gap_ms;
    void (*look_again)(void *ctx, int64_t ms); /* something in Home Assistant must be looked up */
    void (*connected)(void *ctx);              /* report that all is well, or what is not written */
    void (*landed)(void *ctx, void *device);   /* a flight is over, or a device became ready */
    void *ctx;
};

enum device_state {
    DEVICE_UNKNOWN,     /* its registration must be looked up in Home Assistant */
    DEVICE_REGISTERING, /* asked for */
    DEVICE_READY,
    DEVICE_DISABLED, /* by the user, in Home Assistant */
};

/* What Home Assistant's registry and states say of a vehicle. */
struct device_findings {
    bool registered;
    bool disabled;
    const char *entity_id; /* of its tracker */
    bool has_state;        /* the tracker is set up */
    bool has_place;
    double latitude, longitude;
};

struct device;

struct device *device_new(const struct device_house *house, struct fr_ha_vehicle *vehicle);
void device_free(void *device);

/* Append what Home Assistant knows it by: its VIN, escaped (safe_name.h). */
void device_id(const struct device *device, struct fr_text_buffer *id);

enum device_state device_state(const struct device *device);

/* The tracker's entity id, as last found; NULL. */
const char *device_tracker(const struct device *device);

/* Look at the findings: become ready, register, or wait. */
void device_find(struct device *device, const struct device_findings *findings);

/* The connection is gone: everything is answered FR_RETRY. */
void device_lost(struct device *device);

/* A delivery whose changes are in the vehicle already. */
void device_join(struct device *device, struct fr_delivery *delivery);

/* Send what there is to send, if it is ready and nothing is under way. False: the session has no
 * room, try again. */
bool device_fly(struct device *device);

/* Write down what must be remembered, if it has changed. After a failure only when it is time to try
 * again. False: it is still not written. */
bool device_remember(struct device *device);

/* Note whether it stands in the hub's queue; returns whether it did. */
bool device_queue(struct device *device, bool queued);

/* Every second: states told once more after a registration. True: there is something to send. */
bool device_tick(struct device *device);

#endif
