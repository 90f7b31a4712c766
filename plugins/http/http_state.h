/*
 * The state of a sink, which the files of this folder that handle deliveries share. Everything runs on
 * the sink's thread.
 */
#ifndef FR_HTTP_STATE_H
#define FR_HTTP_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fleetroute/plugin.h"
#include "http/requests.h"

struct away;
struct first_contact;
struct lane;

#define WHY_SIZE 600 /* bytes of a reason for people */

struct http_sink {
    struct fr_sink *handle; /* for calls of `host` */
    const struct fr_host *host;
    struct requests *requests;
    struct lane **lanes; /* one for each request at a time; a vehicle is always in the same one */
    size_t lane_count;
    struct away *away;
    struct first_contact *contact;
    bool is_up;         /* reported as FR_HEALTH_UP */
    uint64_t successes; /* requests that the server accepted */
    int64_t success_ms; /* monotonic: when the last one was; 0: never */
    uint64_t returns;   /* ends of times in which the server was away */
};

#endif
