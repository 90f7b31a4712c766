/*
 * Answers requests for the history on a thread of its own, for a caller that must not block: the
 * HTTP listener on the main loop.
 *
 * Requests wait in a queue of FR_HISTORY_WAITING_MAX. Each is answered within FR_HISTORY_ANSWER_MS of
 * fr_history_ask(), waiting included, or fails. All functions and done() run on the thread of the
 * event loop.
 */
#ifndef FR_HISTORY_READER_H
#define FR_HISTORY_READER_H

#include <event2/event.h>

#include "history/history.h"

#define FR_HISTORY_WAITING_MAX 32

struct fr_history_reader;
struct fr_history_call;

/* Start the thread. The history must outlive the reader. Returns NULL with `error` set. */
struct fr_history_reader *fr_history_reader_new(struct fr_history *history, struct event_base *base,
                                                struct fr_error *error);

/* End the thread and cancel all calls; NULL is allowed. Waits for the request that is being
 * answered, which ends at once. */
void fr_history_reader_free(struct fr_history_reader *reader);

/* Ask for an answer. done() is called once, later, from the event loop: `answer` is one JSON object,
 * or NULL with the reason in `error`. The answer belongs to the reader. The result is valid until
 * done() or fr_history_cancel(). Returns NULL with `error` set if the queue is full. */
struct fr_history_call *
fr_history_ask(struct fr_history_reader *reader, const struct fr_history_request *request,
               void (*done)(void *ctx, const struct fr_buffer *answer, const char *error),
               void *ctx, struct fr_error *error);

/* Cancel a call, for a client that has left: done() is not called. */
void fr_history_cancel(struct fr_history_call *call);

#endif
