/* The comparison of the configuration in a vehicle: no text of an answer crashes it, equal ones have
 * equal digests, and a difference is printable ASCII. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "fleet_api/config_compare.h"
#include "util/memory.h"

#define ROUTES                                                                                     \
    "{\"hostname\":\"t.example.com\",\"port\":443,\"ca\":\"A\",\"delivery_policy\":\"latest\","    \
    "\"alert_types\":[\"service\"],\"fields\":{\"Soc\":{\"interval_seconds\":60,"                  \
    "\"minimum_delta\":0.2},\"Gear\":{\"interval_seconds\":1}}}"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

static void check_pair(const char *vehicle, const char *routes)
{
    char difference[200], one[65], two[65];
    bool equal = fr_config_equal(vehicle, routes, difference, sizeof difference);
    bool is_object = fr_config_digest(vehicle, one),
         are_objects = fr_config_digest(routes, two) && is_object;

    /* The digest is without `ca`, so that equal digests may belong to different configurations. */
    if ((equal && !(are_objects && strcmp(one, two) == 0)) || equal != (difference[0] == '\0'))
        __builtin_trap();
    for (const char *c = difference; *c != '\0'; c++)
        if (*c < ' ' || *c > '~')
            __builtin_trap();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    char *text = fr_strndup((const char *)bytes, len), digest[65];
    int64_t exp_s = fr_config_exp(text);

    check_pair(text, ROUTES);
    check_pair(ROUTES, text);
    check_pair(text, text);
    if (exp_s < 0 || (fr_config_digest(text, digest) && strlen(digest) != 64))
        __builtin_trap();
    fr_config_is_of_other_key(text, "issuer");
    free(text);
    return 0;
}
