/*
 * Cursors: the position of each sink in the journal, and reading from there.
 *
 * A cursor's position is the first record that its sink has not completed. It is written with the
 * next commit, so after a crash a sink restarts a little earlier: delivery is at least once.
 */
#ifndef FR_CURSOR_H
#define FR_CURSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "record/record.h"
#include "util/error.h"

struct fr_journal;
struct fr_cursor;

struct fr_cursor_name {
    const char *name;
    bool from_oldest; /* a new cursor begins at the oldest record, not after the newest */
};

/* Set the cursors of all configured sinks. Their records are retained from now on, whether the
 * cursors are open or not; records of other cursors only while these are open. No record is deleted
 * before the first call. Called at the start, and in a reload before the first sink stops. Main
 * thread. Returns 0, or -1 with `error` set. */
int fr_journal_register(struct fr_journal *journal, const struct fr_cursor_name *names,
                        size_t count, struct fr_error *error);

/* Open the cursor `name`: at its last position, or (a new name) at the oldest record or after the
 * newest. wake(ctx) is called on the journal's thread after each commit, with the journal's lock
 * held: it must not block and not call the journal. The journal owns the cursor. Main thread.
 * Returns NULL with `error` set. */
struct fr_cursor *fr_cursor_open(struct fr_journal *journal, const char *name, bool from_oldest,
                                 void (*wake)(void *ctx), void *ctx, struct fr_error *error);

/* Close a cursor; NULL is allowed. Its position is retained; wake() is not called again. */
void fr_cursor_close(struct fr_cursor *cursor);

/* The first record that is not completed. Any thread. */
uint64_t fr_cursor_position(const struct fr_cursor *cursor);

/* Move the cursor to `seq`. A position beyond the end is refused and logged. Reading thread. */
void fr_cursor_move(struct fr_cursor *cursor, uint64_t seq);

/* Records below this number may have been delivered before: fr_journal_repeated_below(), or a
 * higher number for this cursor alone. */
uint64_t fr_cursor_repeated_below(const struct fr_cursor *cursor);

/* Mark records below `seq` as possibly delivered although the cursor is before them; the next sink
 * of this name flags them as repeated. Only while no sink uses the cursor. */
void fr_cursor_mark_repeated(struct fr_cursor *cursor, uint64_t seq);

/* The number of records that were deleted before this cursor had passed them, since the journal was
 * created; includes records that the sink does not route or has in flight. It is stored in the
 * transaction that deletes them. Any thread. */
uint64_t fr_cursor_dropped(const struct fr_cursor *cursor);

/* With `yields`, records before the cursor's completion are deleted like delivered ones when the
 * journal needs their space. Any thread. */
void fr_cursor_yield(struct fr_cursor *cursor, bool yields);

/* Read at most `max` records from *next for which wanted(ctx, type, topic) returns true; *next
 * becomes one above the last examined record. Reading stops after the record that completes 2 MB.
 * The caller owns one reference to each record. Damaged and missing records are counted, logged and
 * skipped. One thread at a time. Returns the number of records, or -1 with `error` set. */
int fr_cursor_read(struct fr_cursor *cursor, uint64_t *next, struct fr_record **records, size_t max,
                   bool (*wanted)(void *ctx, enum fr_record_type type, const char *topic),
                   void *ctx, struct fr_error *error);

/* Free the cursor and its reader. For fr_journal_free() only. */
void fr_cursor_free(struct fr_cursor *cursor);

#endif
