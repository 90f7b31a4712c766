/* The configuration of a simulated vehicle: no text crashes the reader, an accepted one is within
 * its limits, and a sampler keeps each interval. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "record/value.h"
#include "sim/pushed_sampler.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

static void check_limits(const struct fr_pushed_config *config)
{
    if (config->hostname[0] == '\0' || config->port == 0 || config->expires_s < 0 ||
        config->count + config->unknown > FR_PUSHED_FIELDS_MAX)
        __builtin_trap();
    for (size_t i = 0; i < config->count; i++)
        if (config->fields[i].interval_ms < 1000 || config->fields[i].resend_ms < 0 ||
            !(config->fields[i].minimum_delta >= 0))
            __builtin_trap();
}

/* A value that changes in each bucket: its field must not be sent before its interval ends. */
static void check_sampler(const struct fr_pushed_config *config)
{
    struct fr_pushed_sampler *sampler = fr_pushed_sampler_new(config);

    for (size_t i = 0; i < config->count && i < 8; i++) {
        struct fr_sim_datum value = {.field = config->fields[i].field->number,
                                     .member = FR_MEMBER_DOUBLE},
                            due;
        int64_t sent_ms = -config->fields[i].interval_ms;

        for (int64_t ms = 0; ms < 5000; ms += 500) {
            value.real += 1e13;
            if (fr_pushed_sampler_select(sampler, ms, &value, 1, &due) == 0)
                continue;
            if (ms - sent_ms < config->fields[i].interval_ms)
                __builtin_trap();
            sent_ms = ms;
        }
        if (sent_ms < 0)
            __builtin_trap();
    }
    fr_pushed_sampler_free(sampler);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    struct fr_error error = {{0}};
    struct fr_pushed_config *config = fr_pushed_config_parse((const char *)bytes, len, &error);
    SSL_CTX *context;

    if (config == NULL) {
        if (error.text[0] == '\0')
            __builtin_trap();
        return 0;
    }
    check_limits(config);
    check_sampler(config);
    context = SSL_CTX_new(TLS_client_method());
    if (context != NULL)
        fr_pushed_config_trust(config, context, &error);
    SSL_CTX_free(context);
    fr_pushed_config_free(config);
    return 0;
}
