/*
 * The layout `teslamate`: the topics of TeslaMate, BASE/cars/ID/NAME or, with the option
 * `namespace`, BASE/NAMESPACE/cars/ID/NAME (teslamate_values.h). ID is the number of the vehicle
 * (car_state/car_ids.h). All messages are retained. A value is published when it changes; after each
 * connection all known values are published, because the broker may have lost them.
 *
 * Records, such as alerts, are published in the topics of the layout tesla below BASE
 * (record_messages.h).
 *
 * All functions run on the sink's thread.
 */
#ifndef FR_TESLAMATE_H
#define FR_TESLAMATE_H

#include "mqtt/tesla_topics.h"

struct teslamate;

/* Options of the layout, for the descriptor's list. */
#define TESLAMATE_OPTIONS                                                                          \
    {"namespace", FR_OPTION_TEXT, NULL,                                                            \
     false,       NULL,           "teslamate: a level of the topics before cars"},                 \
        {"car_ids", FR_OPTION_MAP, NULL,                                                           \
         false,     NULL,          "teslamate: VIN: number of the vehicle in the topics"},         \
    {                                                                                              \
        "geofence_home", FR_OPTION_TEXT, "Home", false, NULL,                                      \
            "teslamate: the geofence's name at the home of the driver's profile"                   \
    }

/* Report mistakes in the options of the layout. */
void teslamate_check(struct fr_sink *sink, const struct fr_host *host);

/* Create the layout, with the sink's options. `topics` must outlive it; topics->broker may be set
 * later. NULL: no memory. */
struct teslamate *teslamate_new(const struct topics *topics);

/* NULL is allowed. */
void teslamate_free(struct teslamate *teslamate);

/* Handle the connection to the broker (struct broker_events). */
void teslamate_up(struct teslamate *teslamate);
void teslamate_down(struct teslamate *teslamate);

/* Why the numbers of vehicles are not saved; NULL: they are. */
const char *teslamate_problem(const struct teslamate *teslamate);

/* Run one step of the pass over all vehicles that follows a connection. True: progress was made. */
bool teslamate_background(struct teslamate *teslamate);

/* Apply a delivery to its vehicle (first call) and publish the changes, as far as the broker has
 * capacity. True: the job is complete. */
bool teslamate_produce(struct teslamate *teslamate, struct job *job);

/* A job is about to be freed: if it failed, its values are published again, with the next delivery of
 * the same field. */
void teslamate_release(const struct job *job);

/* Publish `healthy` = false for each vehicle before closing, as far as the broker has capacity. */
void teslamate_end(struct teslamate *teslamate);

#endif
