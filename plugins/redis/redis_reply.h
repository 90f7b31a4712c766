/*
 * Reads the answers of a Redis server with hiredis's parser, under bounds: no array or other nested
 * answer, and at most REDIS_REPLY_MAX bytes. No memory is allocated for an answer.
 *
 * A reader belongs to one thread.
 */
#ifndef FR_REDIS_REPLY_H
#define FR_REDIS_REPLY_H

#include <stdbool.h>
#include <stddef.h>

#define REDIS_REPLY_MAX 65536 /* bytes of one answer */
#define REDIS_REPLY_TEXT 200  /* bytes of a text that are kept */

enum redis_reply_kind {
    REPLY_TEXT,    /* a status or a text */
    REPLY_INTEGER, /* a number; its value is not kept */
    REPLY_ERROR,   /* an error: `text` */
    REPLY_NIL,
};

struct redis_reply {
    enum redis_reply_kind kind;
    char text[REDIS_REPLY_TEXT + 1]; /* printable ASCII, shortened; "" unless a text or an error */
};

enum redis_reply_status {
    REPLY_COMPLETE,
    REPLY_INCOMPLETE, /* more bytes are needed */
    REPLY_INVALID,    /* not Redis's protocol, or beyond a bound: close the connection */
};

struct redis_reader;

/* NULL: no memory. */
struct redis_reader *redis_reader_new(void);

/* NULL is allowed. */
void redis_reader_free(struct redis_reader *reader);

/* Add received bytes, at most 16 KiB in a call. All complete answers must be taken after each call. False: no memory. */
bool redis_reader_feed(struct redis_reader *reader, const void *bytes, size_t len);

/* Take the next answer. It is valid until the next call. */
enum redis_reply_status redis_reader_next(struct redis_reader *reader,
                                          const struct redis_reply **reply);

#endif
