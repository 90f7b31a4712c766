#include "util/redact.h"

#include <math.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

static bool redacting;
static unsigned char key[32];
static bool has_key;
static pthread_once_t once = PTHREAD_ONCE_INIT;

/* The key is secret because there are few enough VINs to try them all. */
static void redact_make_key(void)
{
    has_key = RAND_bytes(key, sizeof key) == 1;
}

void fr_redact_ready(void)
{
    pthread_once(&once, redact_make_key);
}

void fr_redact_set(bool on)
{
    redacting = on;
    if (on)
        fr_redact_ready();
}

bool fr_redacting(void)
{
    return redacting;
}

const char *fr_display_vin(const char *vin, char buffer[FR_REDACTED_VIN_SIZE])
{
    return redacting ? fr_redacted_vin(vin, buffer) : vin;
}

const char *fr_redacted_vin(const char *vin, char buffer[FR_REDACTED_VIN_SIZE])
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned char text[sizeof key + 64];
    size_t len = strlen(vin);

    if (len > 64)
        len = 64;
    memcpy(text, key, sizeof key);
    memcpy(text + sizeof key, vin, len);
    if (has_key && EVP_Digest(text, sizeof key + len, digest, NULL, EVP_sha256(), NULL) == 1)
        snprintf(buffer, FR_REDACTED_VIN_SIZE, "%.3s-%02x%02x%02x%02x", vin, digest[0], digest[1],
                 digest[2], digest[3]);
    else
        snprintf(buffer, FR_REDACTED_VIN_SIZE, "%.3s-redacted", vin);
    return buffer;
}

double fr_redacted_degrees(double degrees)
{
    return round(degrees * 100) / 100;
}
