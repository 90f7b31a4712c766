/*
 * What the devices of one sink share. Owned by the hub; used on the sink's thread.
 */
#ifndef FR_DEVICE_ENV_H
#define FR_DEVICE_ENV_H

#include "ha_websocket/session.h"
#include "text_buffer.h"

struct device;

struct device_env {
    struct fr_sink *sink;
    const struct fr_host *host;
    const struct peer *peer;
    const char *folder; /* the sink's state folder; NULL: it cannot be created */
    struct session *session;
    int64_t gap_ms;      /* option `position_gap` */
    size_t *registering; /* registration requests without an answer, of all devices */
    struct fr_text_buffer
        *save_error;        /* why a registration could not be saved; empty: all are saved */
    int64_t *save_retry_ms; /* monotonic; the earliest time of the next attempt to save */

    /* Look up all devices in Home Assistant's registry in `ms` milliseconds. */
    void (*lookup)(void *ctx, int64_t ms);
    /* Report the health "connected", or save_error. */
    void (*report_connected)(void *ctx);
    /* A batch is complete, or a device became ready or disabled: it may send its next batch. */
    void (*on_writable)(void *ctx, struct device *device);
    void *ctx;
};

#endif
