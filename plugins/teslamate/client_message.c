#include "teslamate/client_message.h"

#include <ctype.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

/* Copy a text without NUL. False: it is too long. */
static bool message_copy(const json_t *text, char *to, size_t size)
{
    size_t len = json_string_length(text);

    if (!json_is_string(text) || len >= size || strlen(json_string_value(text)) != len)
        return false;
    memcpy(to, json_string_value(text), len + 1);
    return true;
}

/* A tag is a VIN or a number. It may be sent as a number. */
static bool message_read_tag(const json_t *tag, char to[CLIENT_TAG_SIZE])
{
    if (json_is_integer(tag) && json_integer_value(tag) >= 0)
        snprintf(to, CLIENT_TAG_SIZE, "%lld", (long long)json_integer_value(tag));
    else if (!message_copy(tag, to, CLIENT_TAG_SIZE))
        return false;
    for (const char *c = to; *c != '\0'; c++)
        if (!isalnum((unsigned char)*c))
            return false;
    return to[0] != '\0';
}

static bool message_read_columns(const json_t *value, struct row_columns *columns)
{
    *columns = row_all_columns;
    return value == NULL || json_is_null(value) ||
           (json_is_string(value) && row_columns_read(json_string_value(value), columns));
}

static enum client_message_kind message_read_object(const json_t *root,
                                                    struct client_message *message)
{
    const char *type = json_string_value(json_object_get(root, "msg_type"));
    bool subscribe;

    if (type == NULL)
        return CLIENT_MALFORMED;
    subscribe = strcmp(type, "data:subscribe_oauth") == 0;
    if (!subscribe && strcmp(type, "data:unsubscribe") != 0)
        return CLIENT_UNKNOWN;
    if (!message_read_tag(json_object_get(root, "tag"), message->tag)) {
        message->tag[0] = '\0';
        return CLIENT_MALFORMED;
    }
    if (!subscribe)
        return CLIENT_UNSUBSCRIBE;
    if (!message_read_columns(json_object_get(root, "value"), &message->columns))
        return CLIENT_MALFORMED;
    /* A token that is too long is no valid one. */
    message_copy(json_object_get(root, "token"), message->token, sizeof message->token);
    return CLIENT_SUBSCRIBE;
}

void client_message_read(const char *bytes, size_t len, struct client_message *message)
{
    json_t *root;

    memset(message, 0, sizeof *message);
    message->kind = CLIENT_MALFORMED;
    if (len > CLIENT_MESSAGE_MAX)
        return;
    root = json_loadb(bytes, len, JSON_ALLOW_NUL | JSON_REJECT_DUPLICATES, NULL);
    if (json_is_object(root))
        message->kind = message_read_object(root, message);
    json_decref(root);
}
