/*
 * The state of one vehicle as a device of Home Assistant, and what all device_*.c files need of it.
 * Internal to these files. Used on the sink's thread.
 */
#ifndef FR_DEVICE_STATE_H
#define FR_DEVICE_STATE_H

#include "ha_websocket/device_env.h"
#include "ha_websocket/registration.h"
#include "ha_websocket/registration_file.h"
#include "home_assistant/published.h"
#include "home_assistant/vehicles.h"

enum device_state {
    DEVICE_UNKNOWN,     /* its registration must be looked up in Home Assistant */
    DEVICE_REGISTERING, /* a registration request has no answer yet */
    DEVICE_READY,
    DEVICE_DISABLED, /* by the user, in Home Assistant: nothing is sent */
};

/* A list of deliveries without an outcome. Owns the array. */
struct delivery_list {
    struct fr_delivery **items;
    size_t count, capacity;
};

struct device {
    const struct device_env *env;
    struct fr_ha_vehicle *vehicle; /* owned by the hub's table */
    enum device_state state;
    bool queued; /* in the hub's queue */

    /* Registration: */
    struct saved_registration saved;
    bool unsaved;                      /* `saved` differs from the file */
    struct registration *registration; /* the request without an answer; NULL: none */
    int64_t registered_ms;             /* monotonic; last request or answer; 0: none */
    bool rename_tracker;               /* newly registered: rename the tracker once */
    bool renaming;                     /* the command to rename has no answer yet */
    char tracker[160];                 /* entity id; "": unknown */

    /* Sending: */
    struct fr_published published;
    struct delivery_list pending;   /* for the next batch */
    struct delivery_list in_flight; /* of the current batch */
    bool batch_active;
    size_t open_commands;  /* of the batch; plus one while the batch is sent */
    unsigned attempts;     /* batches in a row with unknown entities */
    unsigned dead_batches; /* batches in a row with an unknown webhook */
    int64_t republish_ms;  /* monotonic; when all states are sent once more; 0: not at all */
    int64_t disabled_ms;   /* monotonic; when the states of disabled entities are sent once more */

    /* Results of the batch: */
    bool unknown_entities; /* an entity is not registered in Home Assistant */
    bool webhook_unknown;  /* Home Assistant has no such webhook, or not yet */
    bool truncated;        /* the session had no capacity for all states */
    bool unsent;           /* a command could not be sent */
};

/* The vehicle's name. Valid until the next delivery of the vehicle. */
const char *device_name(const struct device *device);

/* The vehicle's firmware version as Home Assistant displays it; "unknown" if the vehicle has never
 * sent it. Valid until the next delivery of the vehicle. */
const char *device_version(const struct device *device);

/* Record that Home Assistant has the present name and firmware version. */
void device_save_details(struct device *device);

/* Append the id that Home Assistant has for the device: the VIN, escaped by fr_safe_name(). */
void device_append_id(const struct device *device, struct fr_text_buffer *id);

/* Mark all entities to be announced and published. */
void device_mark_all(struct device *device);

/* Enter DEVICE_UNKNOWN and look up the registration in `ms` milliseconds. */
void device_lookup(struct device *device, int64_t ms);

/* Save the registration if it has changed. After a failure, attempts are made only from
 * env->save_retry_ms on. Returns false if it is not saved. */
bool device_save(struct device *device);

#endif
