/* Answers of a Redis server: read in one piece, and in pieces of the first byte's size. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "redis/redis_errors.h"
#include "redis/redis_reply.h"

#define FEED_SIZE 16384 /* as in the plugin */

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

/* Hash of all answers and of the end, which must not depend on the pieces. */
static uint64_t read_answers(const uint8_t *bytes, size_t len, size_t piece)
{
    struct redis_reader *reader = redis_reader_new();
    const struct redis_reply *reply;
    enum redis_reply_status status = REPLY_INCOMPLETE;
    uint64_t hash = 14695981039346656037ULL; /* FNV-1a */

    for (size_t at = 0; at < len && status == REPLY_INCOMPLETE; at += piece) {
        if (!redis_reader_feed(reader, bytes + at, piece < len - at ? piece : len - at))
            abort();
        while ((status = redis_reader_next(reader, &reply)) == REPLY_COMPLETE) {
            if (strlen(reply->text) > REDIS_REPLY_TEXT ||
                redis_error_of(reply->text).remedy == NULL)
                abort();
            for (const char *c = reply->text; *c != '\0'; c++)
                hash = (hash ^ (uint8_t)*c) * 1099511628211ULL;
            hash = (hash ^ (uint64_t)reply->kind) * 1099511628211ULL;
        }
    }
    redis_reader_free(reader);
    return hash ^ (uint64_t)status;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    /* Beyond this size the bound of one answer depends on the pieces. */
    if (len == 0 || len > REDIS_REPLY_MAX)
        return 0;
    if (read_answers(bytes + 1, len - 1, FEED_SIZE) !=
        read_answers(bytes + 1, len - 1, bytes[0] + 1u))
        abort();
    return 0;
}
