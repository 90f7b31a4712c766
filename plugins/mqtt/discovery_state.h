/*
 * The state of the layout `homeassistant`, shared by discovery.c and discovery_publish.c. Only the
 * sink's thread uses it.
 */
#ifndef FR_DISCOVERY_STATE_H
#define FR_DISCOVERY_STATE_H

#include <jansson.h>

#include "home_assistant/alert.h"
#include "home_assistant/published.h"
#include "home_assistant/vehicles.h"
#include "mqtt/tesla_topics.h"
#include "text_buffer.h"

/* This layout's state of a vehicle. */
struct discovery_vehicle {
    struct fr_published shown; /* the position that Home Assistant displays */
    bool away;                 /* BASE/VIN/status is "offline" */
    bool published;            /* BASE/VIN/status was published in this connection */
};

struct discovery {
    const struct topics *topics;
    struct fr_vehicles *vehicles;
    const char *prefix; /* Home Assistant's discovery prefix */
    int64_t gap_ms;
    int64_t alert_age_ms;
    struct fr_alert_log *alerts;
    bool away_unavailable;
    bool listening; /* for retained positions; no position is published meanwhile */
    struct event *listen_timer;
    json_t *retained; /* positions, by the VIN in the topic: [latitude, longitude, ms] */

    /* The pass over all vehicles after a connection: one vehicle for each step. */
    struct fr_ha_vehicle *pass; /* the next vehicle; NULL: no pass, or at its end */
    bool passing;
    bool pass_all;                /* publish everything, not only changes */
    bool pass_begun;              /* the present vehicle was marked */
    bool announce_online;         /* publish "online" at the end of the pass */
    struct fr_text_buffer status; /* topic BASE/status */
    struct fr_text_buffer birth;  /* topic of Home Assistant's birth message */
};

#endif
