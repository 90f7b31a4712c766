#include "config/server_tesla.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "config/yaml_values.h"
#include "util/memory.h"

#ifndef FR_TESLA_DIR
#define FR_TESLA_DIR "/var/lib/fleetroute-tesla"
#endif

#define BUDGET_USD_DEFAULT 10 /* Tesla's credit of each account and month */
#define BUDGET_USD_MAX 1e6
#define DAY_MS (INT64_C(24) * 3600 * 1000)
#define EXPIRES_DEFAULT_MS (30 * DAY_MS)
#define EXPIRES_MAX_MS (366 * DAY_MS)
#define PUSH_EVERY_DEFAULT_MS (INT64_C(3600) * 1000)
#define PUSH_EVERY_MIN_MS (INT64_C(60) * 1000)
#define TEXT_MAX 253 /* of a host name; identifiers are shorter */

/* A name or an identifier: printable ASCII without spaces, quotes and backslashes, so that it can
 * stand in a URL, a log line and a shell command. */
static bool tesla_is_plain(const char *text)
{
    size_t len = strlen(text);

    for (size_t i = 0; i < len; i++)
        if (!isgraph((unsigned char)text[i]) || strchr("\"'\\<>`", text[i]) != NULL)
            return false;
    return len > 0;
}

static const char *tesla_read_plain(struct fr_server_reader *r, const struct fr_yaml *node,
                                    const char *key, size_t max)
{
    const char *text = fr_yaml_text(&r->file, node, key, NULL);

    if (text == NULL)
        return NULL;
    if (tesla_is_plain(text) && strlen(text) <= max)
        return text;
    fr_yaml_config_error(&r->file, node,
                         "%s must have 1 to %zu ASCII characters without spaces and quotes", key,
                         max);
    return NULL;
}

static bool tesla_is_host(const char *text)
{
    bool dot = false;

    for (size_t i = 0; text[i] != '\0'; i++) {
        if (!isalnum((unsigned char)text[i]) && text[i] != '-' && text[i] != '.')
            return false;
        dot = dot || text[i] == '.';
    }
    return dot && text[0] != '.' && text[strlen(text) - 1] != '.';
}

static const char *tesla_read_host(struct fr_server_reader *r, const struct fr_yaml *node,
                                   const char *key)
{
    const char *text = tesla_read_plain(r, node, key, TEXT_MAX);

    if (text == NULL || tesla_is_host(text))
        return text;
    fr_yaml_config_error(&r->file, node,
                         "%s must be a host name such as telemetry.example.com, without https:// "
                         "and without a path, not \"%s\"",
                         key, text);
    return NULL;
}

static const char *tesla_read_https(struct fr_server_reader *r, const struct fr_yaml *node,
                                    const char *key, bool localhost)
{
    const char *text = tesla_read_plain(r, node, key, 1000);

    if (text == NULL || strncmp(text, "https://", 8) == 0 ||
        (localhost && strncmp(text, "http://localhost", 16) == 0 &&
         (text[16] == '\0' || text[16] == ':' || text[16] == '/')))
        return text;
    fr_yaml_config_error(&r->file, node, "%s must begin with https://, not \"%s\"", key, text);
    return NULL;
}

static char *tesla_read_path(struct fr_server_reader *r, const struct fr_yaml *node,
                             const char *key, const char *default_value)
{
    const char *text = fr_yaml_text(&r->file, node, key, default_value);

    if (text == NULL)
        return NULL;
    if (text[0] == '\0') {
        fr_yaml_config_error(&r->file, node, "%s must be the path of a file", key);
        return NULL;
    }
    return fr_server_resolve(r, text);
}

static void tesla_read_rates(struct fr_server_reader *r, const struct fr_yaml *node,
                             struct fr_tesla_config *tesla)
{
    const struct fr_yaml_file *file = &r->file;
    const struct fr_yaml *expires = fr_yaml_get(node, "expires");
    const struct fr_yaml *every = fr_yaml_get(node, "push_every");
    const struct fr_yaml *budget = fr_yaml_get(node, "budget");

    tesla->expires_ms = fr_yaml_duration(file, expires, "expires", EXPIRES_DEFAULT_MS);
    if (tesla->expires_ms < DAY_MS || tesla->expires_ms > EXPIRES_MAX_MS) {
        fr_yaml_config_error(file, expires, "expires must be from 1 d to 366 d");
        tesla->expires_ms = EXPIRES_DEFAULT_MS;
    }
    tesla->push_every_ms = fr_yaml_duration(file, every, "push_every", PUSH_EVERY_DEFAULT_MS);
    if (tesla->push_every_ms < PUSH_EVERY_MIN_MS || tesla->push_every_ms > DAY_MS) {
        fr_yaml_config_error(file, every, "push_every must be from 1 min to 1 d");
        tesla->push_every_ms = PUSH_EVERY_DEFAULT_MS;
    }
    tesla->budget_usd = fr_yaml_real(file, budget, "budget", BUDGET_USD_DEFAULT);
    if (!(tesla->budget_usd <= BUDGET_USD_MAX)) {
        fr_yaml_config_error(file, budget, "budget must be from 0 to 1000000 US$ a month");
        tesla->budget_usd = BUDGET_USD_DEFAULT;
    }
}

void fr_server_read_tesla(struct fr_server_reader *r, const struct fr_yaml *root)
{
    static const char *const keys[] = {"domain",
                                       "hostname",
                                       "port",
                                       "client_id",
                                       "client_secret_file",
                                       "key",
                                       "redirect_uri",
                                       "region",
                                       "ca",
                                       "expires",
                                       "budget",
                                       "push_every",
                                       "folder",
                                       "base_url",
                                       "auth_url",
                                       "api_ca",
                                       NULL};
    static const char *const regions[] = {"auto", "na", "eu", "cn", NULL};
    const struct fr_yaml *node = fr_server_section(r, root, "tesla", keys);
    struct fr_tesla_config *tesla = &r->config->tesla;

    tesla->present = node != NULL;
    tesla->domain = tesla_read_host(r, fr_yaml_get(node, "domain"), "domain");
    tesla->hostname = tesla_read_host(r, fr_yaml_get(node, "hostname"), "hostname");
    tesla->port = (uint16_t)fr_yaml_integer(&r->file, fr_yaml_get(node, "port"), "port", 1, 65535,
                                            r->config->port != 0 ? r->config->port : 443);
    tesla->client_id = tesla_read_plain(r, fr_yaml_get(node, "client_id"), "client_id", 128);
    tesla->client_secret_file =
        tesla_read_path(r, fr_yaml_get(node, "client_secret_file"), "client_secret_file", NULL);
    tesla->key = tesla_read_path(r, fr_yaml_get(node, "key"), "key", FR_TESLA_KEY_FILE);
    tesla->redirect_uri =
        tesla_read_https(r, fr_yaml_get(node, "redirect_uri"), "redirect_uri", true);
    tesla->region = (enum fr_tesla_region)fr_server_read_word(
        r, fr_yaml_get(node, "region"), "region", regions, FR_TESLA_REGION_AUTO);
    tesla->ca = tesla_read_path(r, fr_yaml_get(node, "ca"), "ca", NULL);
    tesla_read_rates(r, node, tesla);
    tesla->folder = tesla_read_path(r, fr_yaml_get(node, "folder"), "folder", FR_TESLA_DIR);
    tesla->base_url = tesla_read_https(r, fr_yaml_get(node, "base_url"), "base_url", false);
    tesla->auth_url = tesla_read_https(r, fr_yaml_get(node, "auth_url"), "auth_url", false);
    tesla->api_ca = tesla_read_path(r, fr_yaml_get(node, "api_ca"), "api_ca", NULL);
}

void fr_server_free_tesla(struct fr_tesla_config *tesla)
{
    free(tesla->client_secret_file);
    free(tesla->key);
    free(tesla->ca);
    free(tesla->folder);
    free(tesla->api_ca);
}
