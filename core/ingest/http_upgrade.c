#include "ingest/http_upgrade.h"

#include <string.h>

#include "ingest/http_status.h"
#include "ingest/websocket_key.h"

void fr_http_accept(struct fr_buffer *out, const char *key)
{
    char accept[FR_WEBSOCKET_ACCEPT_SIZE];

    fr_websocket_key_accept(key, accept);
    fr_buffer_printf(out,
                     "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                     "Connection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n",
                     accept);
}

void fr_http_answer(struct fr_buffer *out, int status, const char *text, bool to_head)
{
    const char *more = status == 426   ? "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
                       : status == 400 ? "Sec-WebSocket-Version: 13\r\n"
                       : status == 405 ? "Allow: GET\r\n"
                                       : "";

    fr_buffer_printf(out,
                     "HTTP/1.1 %d %s\r\nContent-Type: text/plain\r\nContent-Length: %zu\r\n"
                     "%sConnection: close\r\n\r\n%s",
                     status, fr_http_status_reason(status), strlen(text), more,
                     to_head ? "" : text);
}
