/*
 * The registration of a device in Home Assistant: requested, looked up, and renewed if the user or
 * another instance has changed it. Used on the sink's thread.
 */
#ifndef FR_DEVICE_REGISTRATION_H
#define FR_DEVICE_REGISTRATION_H

#include "ha_websocket/device_state.h"

/* What Home Assistant's registry and states contain about a vehicle. */
struct device_findings {
    bool registered;
    bool disabled;         /* by the user, with its device */
    const char *entity_id; /* of its tracker; NULL if it is not registered */
    bool has_state;        /* the tracker is set up */
    bool has_position;
    double latitude, longitude; /* degrees */
};

/* Apply the findings of a lookup: become ready or disabled, register, or look up again. */
void device_apply_findings(struct device *device, const struct device_findings *findings);

/* Cancel the registration request, if there is one. */
void device_cancel_registration(struct device *device);

#endif
