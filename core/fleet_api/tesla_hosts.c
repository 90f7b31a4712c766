#include "fleet_api/tesla_hosts.h"

#include <stddef.h>
#include <string.h>

struct tesla_region {
    const char *name, *base_url, *token_url, *authorize_url;
};

#define TOKEN_URL "https://fleet-auth.prd.vn.cloud.tesla.com/oauth2/v3/token"
#define AUTHORIZE_URL "https://auth.tesla.com/oauth2/v3/authorize"

static const struct tesla_region regions[] = {
    [FR_TESLA_REGION_AUTO] = {"", "https://fleet-api.prd.na.vn.cloud.tesla.com", TOKEN_URL,
                              AUTHORIZE_URL},
    [FR_TESLA_REGION_NA] = {"na", "https://fleet-api.prd.na.vn.cloud.tesla.com", TOKEN_URL,
                            AUTHORIZE_URL},
    [FR_TESLA_REGION_EU] = {"eu", "https://fleet-api.prd.eu.vn.cloud.tesla.com", TOKEN_URL,
                            AUTHORIZE_URL},
    [FR_TESLA_REGION_CN] = {"cn", "https://fleet-api.prd.cn.vn.cloud.tesla.cn",
                            "https://auth.tesla.cn/oauth2/v3/token",
                            "https://auth.tesla.cn/oauth2/v3/authorize"},
};

const char *fr_tesla_base_url(enum fr_tesla_region region)
{
    return regions[region].base_url;
}

const char *fr_tesla_token_url(enum fr_tesla_region region)
{
    return regions[region].token_url;
}

const char *fr_tesla_authorize_url(enum fr_tesla_region region)
{
    return regions[region].authorize_url;
}

enum fr_tesla_region fr_tesla_region_named(const char *name)
{
    for (size_t i = FR_TESLA_REGION_NA; i <= FR_TESLA_REGION_CN; i++)
        if (strcmp(regions[i].name, name) == 0)
            return (enum fr_tesla_region)i;
    return FR_TESLA_REGION_AUTO;
}

static bool tesla_ends_with(const char *host, size_t len, const char *end)
{
    size_t size = strlen(end);

    return len > size && memcmp(host + len - size, end, size) == 0;
}

bool fr_tesla_is_api_host(const char *host)
{
    const char *colon = strchr(host, ':');
    size_t len = colon != NULL ? (size_t)(colon - host) : strlen(host);

    return (colon == NULL || strcmp(colon, ":443") == 0) && strncmp(host, "fleet-api.", 10) == 0 &&
           strstr(host, "..") == NULL &&
           strspn(host, "abcdefghijklmnopqrstuvwxyz0123456789-.") == len &&
           (tesla_ends_with(host, len, ".tesla.com") || tesla_ends_with(host, len, ".tesla.cn"));
}
