/* What clients of teslamate.so send: the first byte selects a request or a message. A request must have the
 * same result in one piece and in pieces. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "teslamate/client_message.h"
#include "teslamate/request.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

static void read_request(const uint8_t *bytes, size_t len)
{
    char *copy = malloc(len + 1), value[16];
    struct request request;
    size_t size, n = 0;

    if (copy == NULL)
        return;
    memcpy(copy, bytes, len);
    /* The first piece that may have the end has it, or is too long. */
    while (n < len && !fr_http_head_may_end(copy, n + 1, n))
        n++;
    size = request_read(copy, len, &request);
    if (size > len || (size == 0) != (n == len) ||
        (size != 0 && request.status == 0 && size != n + 1))
        abort();
    if (size != 0) {
        if (request.path == NULL || request.key == NULL ||
            strlen(request.token) >= sizeof request.token ||
            (request.status == 0 && request.content_len > REQUEST_CONTENT_MAX))
            abort();
        if (request.status == 0 && request.path[0] != '/')
            abort();
    }
    request_form_value(copy, len, "a", value, sizeof value);
    free(copy);
}

static void read_message(const uint8_t *bytes, size_t len)
{
    struct client_message message;

    client_message_read((const char *)bytes, len, &message);
    if (message.kind == CLIENT_SUBSCRIBE && (message.tag[0] == '\0' || message.columns.count == 0))
        abort();
    for (const char *c = message.tag; *c != '\0'; c++)
        if (*c == '"' || *c == '\\' || (unsigned char)*c < 0x20) /* tags are not escaped */
            abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    if (len == 0 || len > 20000)
        return 0;
    if (bytes[0] == 'M')
        read_message(bytes + 1, len - 1);
    else
        read_request(bytes + 1, len - 1);
    return 0;
}
