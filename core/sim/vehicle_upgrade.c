#include "sim/vehicle_upgrade.h"

#include <stdbool.h>
#include <string.h>

void fr_car_upgrade_request(struct fr_buffer *out, const char *server_name,
                            const char *network_interface)
{
    fr_buffer_printf(out,
                     "GET / HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                     "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
                     "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n"
                     "User-Agent: Hermes/1.16.9 (vehicle_device)\r\nVersion: 1.2.0\r\n"
                     "X-Network-Interface: %s\r\n\r\n",
                     server_name, network_interface);
}

/* Whether a header line of the response, which ends at `end`, names a WebSocket extension. Frames
 * that follow the response are not searched. */
static bool upgrade_has_extension(const char *text, const char *end)
{
    static const char name[] = "\r\nSec-WebSocket-Extensions:";
    const char *found = strcasestr(text, name);

    if (found == NULL || found >= end)
        return false;
    found += sizeof name - 1;
    return found[strspn(found, " \t")] != '\r';
}

enum fr_car_upgrade fr_car_upgrade_read(struct fr_buffer *head, const uint8_t *bytes, size_t len,
                                        size_t *used)
{
    const char *text, *end;
    size_t before = head->len;

    fr_buffer_append(head, bytes, len);
    text = fr_buffer_string(head);
    end = strstr(text, "\r\n\r\n");
    if (end == NULL)
        return FR_CAR_UPGRADE_INCOMPLETE;
    if (strncmp(text, "HTTP/1.1 101 ", 13) != 0)
        return FR_CAR_UPGRADE_REFUSED;
    /* A vehicle closes the connection if the server accepts compression, although it offers it. */
    if (upgrade_has_extension(text, end))
        return FR_CAR_UPGRADE_EXTENSION;
    *used = (size_t)(end - text) + 4 - before;
    return FR_CAR_UPGRADE_ACCEPTED;
}
