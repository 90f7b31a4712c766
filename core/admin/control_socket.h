/*
 * control_socket.h - the daemon's Unix socket, for the subcommands of fleetroute(1).
 *
 * A client sends one line: a word, a space and arguments. The daemon answers with lines of JSON:
 *   tail [redact] [vin=VIN]    every record from now on, in the format of fr_json_record()
 *   replay                     the client then sends records (source/replay.h) and reads
 *                              {"stored":N,"skipped":N} whenever these numbers change
 *   reload                     one object when the reload has finished, then the end
 *   another control command    one object, then the end; {"error":TEXT} on failure
 * A client of `tail` that reads too slowly loses records; {"skipped":N} reports how many.
 *
 * All functions run in the thread of the event loop, unless stated otherwise.
 */
#ifndef FR_CONTROL_SOCKET_H
#define FR_CONTROL_SOCKET_H

#include <event2/event.h>

#include "admin/control_job.h"
#include "admin/jobs.h"
#include "admin/record_feed.h"
#include "source/replay.h"
#include "util/buffer.h"
#include "util/error.h"

struct fr_control;

/* One control command; one of both functions is set. They append one JSON object to `out`;
 * `arguments` is the text after the word, or "". */
struct fr_control_command {
    const char *word;
    void (*handler)(void *ctx, const char *arguments, struct fr_buffer *out);
    fr_control_job_fn *job; /* in a thread of jobs.h */
};

struct fr_control_commands {
    const struct fr_control_command *commands; /* ends with a NULL word */
    /* Begin a replay, for the command "replay"; stored(stored_ctx) is called on the journal's
     * thread when records are on disk. The caller frees the result; NULL: there is no journal. */
    struct fr_replay *(*replay)(void *ctx, void (*stored)(void *stored_ctx), void *stored_ctx);
    /* Request a reload, for the command "reload". Returns the number of the reload (never 0), which
     * fr_control_answer() gets when the reload has finished. Must not call fr_control_answer(). */
    uint64_t (*reload)(void *ctx);
};

/* Listen on `path` (mode 0660; a socket of a dead daemon is replaced). `path` is copied; `commands`,
 * `ctx` and `feed` must outlive the result; `jobs` is freed before it. Returns NULL with `error` set on failure. */
struct fr_control *fr_control_new(struct event_base *base, const char *path,
                                  const struct fr_control_commands *commands, void *ctx,
                                  struct fr_record_feed *feed, struct fr_jobs *jobs,
                                  struct fr_error *error);

/* Send `text` to the clients that wait for the reload `number`, and close them. */
void fr_control_answer(struct fr_control *control, uint64_t number, const struct fr_buffer *text);

/* The journal has capacity again: continue paused replays. `control` may be NULL. Any thread. */
void fr_control_on_writable(struct fr_control *control);

/* Close the socket and all clients. NULL is ignored. */
void fr_control_free(struct fr_control *control);

#endif
