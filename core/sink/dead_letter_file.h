/*
 * Reads the dead-letter files of a sink (dead_letters.h), and drops lines of them, while the sink may
 * append.
 *
 * A dropped line is overwritten in place by {"dropped":true} with spaces before the last brace, so
 * that the file stays JSON lines and no other line moves. A file whose lines are all dropped is
 * emptied. The sink's thread and this file lock the file with flock(2) while they change it.
 *
 * The functions block. Any thread; a struct fr_dead_letter_file is used by one thread.
 */
#ifndef FR_DEAD_LETTER_FILE_H
#define FR_DEAD_LETTER_FILE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/buffer.h"
#include "util/error.h"

/* Max dead letters of a sink that are read. A file of FR_DEAD_LETTERS_SIZE has fewer. */
#define FR_DEAD_LETTERS_READ_MAX 1000000

/* Max bytes of a line that are read. */
#define FR_DEAD_LETTER_TEXT_MAX (4u << 20)

#define FR_DEAD_LETTER_ID_SIZE 44 /* with its NUL */

/* A line that is not dropped. */
struct fr_dead_letter {
    uint64_t offset;
    uint32_t len; /* without its line feed */
    uint32_t part;
};

/* SINK.jsonl.1 and SINK.jsonl, as they were when they were opened. */
struct fr_dead_letter_file {
    struct {
        int fd; /* -1: there is no such file */
        uint64_t inode, size;
        size_t count; /* its entries of `lines` */
    } part[2];
    struct fr_dead_letter *lines; /* of fr_dead_letter_file_scan(), oldest first */
    size_t count, capacity;
};

/* Open the files in `folder`. A file that does not exist is no failure. Returns 0, or -1 with `error`
 * set. fr_dead_letter_file_close() is called in either case. */
int fr_dead_letter_file_open(struct fr_dead_letter_file *file, const char *folder, const char *sink,
                             struct fr_error *error);
void fr_dead_letter_file_close(struct fr_dead_letter_file *file);

/* Find all lines. deadline_ms: monotonic. `cancelled` may be NULL. Returns 0, or -1 with `error`
 * set. */
int fr_dead_letter_file_scan(struct fr_dead_letter_file *file, int64_t deadline_ms,
                             const _Atomic bool *cancelled, struct fr_error *error);

/* Replace the content of `text` by the line, or by its first FR_DEAD_LETTER_TEXT_MAX bytes. Returns whether it could be read. */
bool fr_dead_letter_read(const struct fr_dead_letter_file *file, const struct fr_dead_letter *line,
                         struct fr_buffer *text);

/* Write the id of a line: inode, position and checksum of `text`, as
 * fr_dead_letter_read() reads it. */
void fr_dead_letter_id(const struct fr_dead_letter_file *file, const struct fr_dead_letter *line,
                       const struct fr_buffer *text, char id[FR_DEAD_LETTER_ID_SIZE]);

/* Find the line of an id and read it into `text`; no scan is needed. Returns false if there is no such
 * line: it was dropped, or deleted with its file. */
bool fr_dead_letter_find(const struct fr_dead_letter_file *file, const char *id,
                         struct fr_dead_letter *line, struct fr_buffer *text);

/* Drop `count` lines and sync the files. Returns 0, or -1 with `error` set: some may be dropped. */
int fr_dead_letter_drop(const struct fr_dead_letter_file *file, const struct fr_dead_letter *lines,
                        size_t count, struct fr_error *error);

/* Empty the files that have dropped lines alone. Only after a scan that followed the drops. */
void fr_dead_letter_file_trim(const struct fr_dead_letter_file *file);

/* Whether a line of a file was dropped. */
bool fr_dead_letter_is_dropped(const char *text, size_t len);

/* The number of lines of the file `path` that are not dropped; 0: it cannot be read. */
unsigned long long fr_dead_letter_count(const char *path);

/* Lock a file against changes by other threads; closing the descriptor ends it. File systems
 * without locks are ignored. Returns 0, or -1 with errno EWOULDBLOCK: another process had the lock for
 * max_ms. Who may read the file can lock it. */
int fr_dead_letter_lock(int fd, int64_t max_ms);

#endif
