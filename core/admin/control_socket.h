/*
 * control_socket.h - the daemon's Unix socket, for the subcommands of fleetroute(1).
 *
 * A client sends one line and reads lines of JSON:
 *   tail [redact] [vin=VIN]    every record from now on, as fr_json_record writes it
 *   replay                     then records (replay.h); answered {"stored":N,"left_out":N}
 *   an order                   one object, then the end; {"error":TEXT} when it cannot be done
 * A client of tail that does not keep up misses records and is told how many: {"missed":N}.
 */
#ifndef FR_CONTROL_SOCKET_H
#define FR_CONTROL_SOCKET_H

#include <event2/event.h>

#include "source/replay.h"
#include "util/buffer.h"
#include "util/error.h"

struct fr_control;

/* What a client may ask for: words, each with a function that appends its answer. `rest` is
 * what stood behind the word. */
struct fr_control_order {
    const char *word;
    void (*obey)(void *ctx, const char *rest, struct fr_buffer *out);
};

struct fr_control_orders {
    const struct fr_control_order *orders; /* ends with a NULL word */
    struct fr_replay *(*replay)(void *ctx, void (*stored)(void *owner), void *owner);
    /* "reload": ask for a reload; returns its number (not 0), which fr_control_answer names when the
     * reload has finished. Nothing is answered from within the call. */
    uint64_t (*reload)(void *ctx);
};

/* Listen on `path` (mode 0660; a socket left behind by a dead daemon is replaced). NULL and
 * why. */
struct fr_control *fr_control_new(struct event_base *base, const char *path,
                                  const struct fr_control_orders *orders, void *ctx,
                                  struct fr_error *error);

/* Answer the clients that wait for the reload of that number. */
void fr_control_answer(struct fr_control *control, uint64_t number, const struct fr_buffer *text);

/* The journal has room again. Any thread. NULL is nothing. */
void fr_control_room(struct fr_control *control);

/* Close it and every client; no worker may run any more. */
void fr_control_free(struct fr_control *control);

#endif
