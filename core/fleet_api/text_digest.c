#include "fleet_api/text_digest.h"

#include <openssl/sha.h>
#include <stddef.h>
#include <string.h>

void fr_text_digest(const char *text, char digest[65])
{
    static const char digits[] = "0123456789abcdef";
    unsigned char hash[SHA256_DIGEST_LENGTH];

    SHA256((const unsigned char *)text, strlen(text), hash);
    for (size_t i = 0; i < sizeof hash; i++) {
        digest[2 * i] = digits[hash[i] >> 4];
        digest[2 * i + 1] = digits[hash[i] & 15];
    }
    digest[2 * sizeof hash] = '\0';
}
