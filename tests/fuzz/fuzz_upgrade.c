/* The HTTP upgrade request (first byte 0), and WebSocket frames in pieces of N bytes (first byte
 * N). */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "ingest/http_request.h"
#include "ingest/websocket.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

static int read_message(void *ctx, enum fr_ws_opcode opcode, const uint8_t *bytes, size_t len)
{
    unsigned *sum = ctx;

    if (opcode == FR_WS_BINARY && len > 4096)
        abort();
    for (size_t i = 0; i < len; i++)
        *sum += bytes[i];
    return 0;
}

static void feed_frames(const uint8_t *bytes, size_t len, size_t step)
{
    struct fr_ws_pool *pool = fr_ws_pool_new();
    struct fr_ws ws = {0};
    unsigned sum = 0;
    int code = 0;

    for (size_t at = 0; at < len && code == 0; at += step)
        code = fr_ws_feed(&ws, pool, bytes + at, len - at < step ? len - at : step, step & 1, 4096,
                          read_message, &sum);
    fr_ws_end(&ws);
    fr_ws_pool_free(pool);
}

/* The texts of a request are inside its head, and a head is one size however it is cut. */
static void read_request(const uint8_t *bytes, size_t len)
{
    struct fr_http_request request;
    char *copy = malloc(len + 1);
    size_t size;

    memcpy(copy, bytes, len);
    size = fr_http_request_read(copy, len, &request);
    if (size > len || (size != 0) != fr_http_head_may_end((const char *)bytes, len, 0))
        abort();
    if (size != 0 && request.status == 0 &&
        strlen(request.client_version) + strlen(request.network_interface) +
                strlen(request.user_agent) >=
            size)
        abort();
    free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    if (len == 0)
        return 0;
    if (bytes[0] != 0)
        feed_frames(bytes + 1, len - 1, bytes[0]);
    else
        read_request(bytes + 1, len - 1);
    return 0;
}
