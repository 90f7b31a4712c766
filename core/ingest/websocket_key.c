#include "ingest/websocket_key.h"

#include <ctype.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

#define WEBSOCKET_GUID "258EAFA5-E914-47DA-95CA-C5AB0DC85B11" /* RFC 6455, section 1.3 */
#define KEY_LEN 24                                            /* 16 bytes in base64 */
#define DIGEST_SIZE 20                                        /* of SHA-1 */

bool fr_websocket_key_is_valid(const char *key)
{
    if (strlen(key) != KEY_LEN || strcmp(key + KEY_LEN - 2, "==") != 0)
        return false;
    for (size_t i = 0; i < KEY_LEN - 2; i++)
        if (!isalnum((unsigned char)key[i]) && key[i] != '+' && key[i] != '/')
            return false;
    return true;
}

void fr_websocket_key_accept(const char *key, char accept[FR_WEBSOCKET_ACCEPT_SIZE])
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    char text[KEY_LEN + sizeof WEBSOCKET_GUID + 8];
    int n = snprintf(text, sizeof text, "%.24s%s", key, WEBSOCKET_GUID);

    accept[0] = '\0';
    if (EVP_Digest(text, (size_t)n, digest, NULL, EVP_sha1(), NULL) == 1)
        EVP_EncodeBlock((unsigned char *)accept, digest, DIGEST_SIZE);
}
