/*
 * The key of the request that opens a WebSocket, and the value that answers it (RFC 6455, 4.2.2). Any
 * thread.
 */
#ifndef FR_WEBSOCKET_KEY_H
#define FR_WEBSOCKET_KEY_H

#include <stdbool.h>

#define FR_WEBSOCKET_ACCEPT_SIZE 32 /* bytes of a text with the value of Sec-WebSocket-Accept */

/* Whether the value of Sec-WebSocket-Key is the base64 of 16 bytes. */
bool fr_websocket_key_is_valid(const char *key);

/* Write the value of Sec-WebSocket-Accept for a key: 28 characters and a NUL. "": libcrypto failed. */
void fr_websocket_key_accept(const char *key, char accept[FR_WEBSOCKET_ACCEPT_SIZE]);

#endif
