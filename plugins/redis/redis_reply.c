#include "redis/redis_reply.h"

#include <hiredis/hiredis.h>
#include <stdlib.h>
#include <string.h>

struct redis_reader {
    redisReader *parser;
    struct redis_reply reply;
};

/* hiredis's functions that make an object of an answer return the reader's one object. There is
 * only one at a time, because nested answers are refused. */

static void *reply_make(const redisReadTask *task, enum redis_reply_kind kind)
{
    struct redis_reader *reader = task->privdata;

    if (task->parent != NULL)
        return NULL;
    reader->reply.kind = kind;
    reader->reply.text[0] = '\0';
    return &reader->reply;
}

static void *reply_make_text(const redisReadTask *task, char *bytes, size_t len)
{
    struct redis_reply *reply =
        reply_make(task, task->type == REDIS_REPLY_ERROR ? REPLY_ERROR : REPLY_TEXT);
    size_t kept = len < REDIS_REPLY_TEXT ? len : REDIS_REPLY_TEXT;

    if (reply == NULL)
        return NULL;
    for (size_t i = 0; i < kept; i++)
        reply->text[i] = bytes[i] >= ' ' && bytes[i] <= '~' ? bytes[i] : '?';
    reply->text[kept] = '\0';
    return reply;
}

static void *reply_make_integer(const redisReadTask *task, long long number)
{
    (void)number;
    return reply_make(task, REPLY_INTEGER);
}

static void *reply_make_nil(const redisReadTask *task)
{
    return reply_make(task, REPLY_NIL);
}

static void reply_free(void *reply)
{
    (void)reply;
}

/* NULL: hiredis reports an error, and the connection ends. */
#if HIREDIS_MAJOR >= 1
static void *reply_refuse_array(const redisReadTask *task, size_t count)
{
    (void)task, (void)count;
    return NULL;
}

static void *reply_refuse_double(const redisReadTask *task, double number, char *text, size_t len)
{
    (void)task, (void)number, (void)text, (void)len;
    return NULL;
}

static void *reply_refuse_bool(const redisReadTask *task, int value)
{
    (void)task, (void)value;
    return NULL;
}
#else
static void *reply_refuse_array(const redisReadTask *task, int count)
{
    (void)task, (void)count;
    return NULL;
}
#endif

static redisReplyObjectFunctions reply_functions = {
    .createString = reply_make_text,
    .createArray = reply_refuse_array,
    .createInteger = reply_make_integer,
#if HIREDIS_MAJOR >= 1
    .createDouble = reply_refuse_double,
    .createBool = reply_refuse_bool,
#endif
    .createNil = reply_make_nil,
    .freeObject = reply_free,
};

struct redis_reader *redis_reader_new(void)
{
    struct redis_reader *reader = calloc(1, sizeof *reader);

    if (reader == NULL)
        return NULL;
    reader->parser = redisReaderCreateWithFunctions(&reply_functions);
    if (reader->parser == NULL) {
        free(reader);
        return NULL;
    }
    reader->parser->privdata = reader;
    return reader;
}

void redis_reader_free(struct redis_reader *reader)
{
    if (reader == NULL)
        return;
    redisReaderFree(reader->parser);
    free(reader);
}

bool redis_reader_feed(struct redis_reader *reader, const void *bytes, size_t len)
{
    return redisReaderFeed(reader->parser, bytes, len) == REDIS_OK;
}

enum redis_reply_status redis_reader_next(struct redis_reader *reader,
                                          const struct redis_reply **reply)
{
    void *object = NULL;

    if (redisReaderGetReply(reader->parser, &object) != REDIS_OK)
        return REPLY_INVALID;
    *reply = object;
    if (object != NULL)
        return REPLY_COMPLETE;
    return reader->parser->len - reader->parser->pos > REDIS_REPLY_MAX ? REPLY_INVALID
                                                                       : REPLY_INCOMPLETE;
}
