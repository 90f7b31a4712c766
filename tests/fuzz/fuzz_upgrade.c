/* The HTTP request of an upgrade, and WebSocket frames in any pieces. The first byte chooses. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "ingest/http_upgrade.h"
#include "ingest/websocket.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

static int take(void *ctx, enum fr_ws_opcode opcode, const uint8_t *bytes, size_t len)
{
    unsigned *sum = ctx;

    if (opcode == FR_WS_BINARY && len > 4096)
        abort();
    for (size_t i = 0; i < len; i++)
        *sum += bytes[i];
    return 0;
}

static void frames(const uint8_t *bytes, size_t len, size_t step)
{
    struct fr_ws_pool *pool = fr_ws_pool_new();
    struct fr_ws ws = {0};
    unsigned sum = 0;
    int code = 0;

    for (size_t at = 0; at < len && code == 0; at += step)
        code = fr_ws_feed(&ws, pool, bytes + at, len - at < step ? len - at : step, step & 1, 4096,
                          take, &sum);
    fr_ws_end(&ws, pool);
    fr_ws_pool_free(pool);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    struct fr_http_request request;

    if (len == 0)
        return 0;
    if (bytes[0] != 0)
        frames(bytes + 1, len - 1, bytes[0]);
    else if (fr_http_request_read((const char *)bytes + 1, len - 1, &request) > len - 1)
        abort();
    return 0;
}
