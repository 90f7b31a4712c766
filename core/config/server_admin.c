#include "config/server_admin.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "config/yaml_values.h"
#include "util/address.h"
#include "util/memory.h"

#define PORT_DEFAULT 8480
#define HOSTS_MAX 32
#define NAME_MAX_LEN 253
#define URL_MAX_LEN 500
#define HOME_RADIUS 100 /* m, as that of Home Assistant's zone */
#define HOME_RADIUS_MAX 100000

static void admin_read_tls(struct fr_server_reader *r, const struct fr_yaml *node)
{
    static const char *const keys[] = {"certificate", "key", NULL};
    struct fr_server_config *c = r->config;
    bool on;

    if (node == NULL)
        return;
    if (node->kind == FR_YAML_TEXT) {
        on = fr_yaml_boolean(&r->file, node, "tls", false);
        c->admin_plain = !on;
        if (on && c->certificate != NULL && c->key != NULL) {
            c->admin_certificate = fr_strdup(c->certificate);
            c->admin_key = fr_strdup(c->key);
        }
    } else if (fr_yaml_is_map(&r->file, node, "tls", keys)) {
        c->admin_certificate = fr_server_read_file(r, node, "admin: tls", "certificate", node);
        c->admin_key = fr_server_read_file(r, node, "admin: tls", "key", node);
    }
}

/* Whether a text is a host name: letters, digits, '-', '_' and single dots. */
static bool admin_is_name(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (!isalnum((unsigned char)text[i]) && strchr("-_.", text[i]) == NULL)
            return false;
    return len != 0 && len <= NAME_MAX_LEN && text[0] != '.' && text[0] != '-';
}

static void admin_add_host(const struct fr_yaml *node, void *ctx)
{
    struct fr_server_reader *r = ctx;
    struct fr_server_config *c = r->config;

    if (!admin_is_name(node->text, strlen(node->text)))
        fr_yaml_config_error(&r->file, node,
                             "hosts: \"%s\" is not the name of a host; give the name without "
                             "https:// and without a port",
                             node->text);
    else if (c->admin_host_count == HOSTS_MAX)
        fr_yaml_config_error(&r->file, node, "hosts: at most %d names are possible", HOSTS_MAX);
    else {
        c->admin_hosts =
            fr_realloc(c->admin_hosts, c->admin_host_count + 1, sizeof *c->admin_hosts);
        c->admin_hosts[c->admin_host_count++] = fr_strdup(node->text);
    }
}

/* Whether a text is https://HOST[:PORT]/… with {z}, {x} and {y} behind the host. The host becomes a
 * part of the Content-Security-Policy, so it has no other characters. */
static bool admin_is_tile_url(const char *url)
{
    const char *host = url + strlen("https://"), *path;
    size_t len;

    if (strncmp(url, "https://", strlen("https://")) != 0 || strlen(url) > URL_MAX_LEN)
        return false;
    for (const char *at = url; *at != '\0'; at++)
        if (!isgraph((unsigned char)*at) || strchr("\"'<>\\`;,", *at) != NULL)
            return false;
    path = strchr(host, '/');
    len = strcspn(host, ":/");
    if (path == NULL || !admin_is_name(host, len))
        return false;
    if (host[len] == ':' &&
        (strspn(host + len + 1, "0123456789") != (size_t)(path - host) - len - 1 ||
         path - host == (ptrdiff_t)len + 1))
        return false;
    return strstr(path, "{z}") != NULL && strstr(path, "{x}") != NULL &&
           strstr(path, "{y}") != NULL;
}

static void admin_read_map_tiles(struct fr_server_reader *r, const struct fr_yaml *node)
{
    const char *url = fr_yaml_text(&r->file, node, "map_tiles", NULL);

    if (url != NULL && !admin_is_tile_url(url))
        fr_yaml_config_error(&r->file, node,
                             "map_tiles must be a URL such as "
                             "\"https://tile.example.org/{z}/{x}/{y}.png\", with {z}, {x} and {y} "
                             "behind the name of the host");
    else
        r->config->admin_map_tiles = url;
}

/* Read degrees from -max to max. Returns false after an error, which is appended. */
static bool admin_read_degrees(const struct fr_yaml_file *file, const struct fr_yaml *map,
                               const char *name, double max, double *degrees)
{
    const struct fr_yaml *node = fr_yaml_get(map, name);
    char *end = NULL;

    if (node != NULL && node->kind == FR_YAML_TEXT)
        *degrees = strtod(node->text, &end);
    if (end != NULL && end != node->text && *end == '\0' && fabs(*degrees) <= max)
        return true;
    fr_yaml_config_error(file, node != NULL ? node : map,
                         "home_zone: %s must be a number of degrees from -%.0f to %.0f", name, max,
                         max);
    return false;
}

static void admin_read_home_zone(struct fr_server_reader *r, const struct fr_yaml *node)
{
    static const char *const keys[] = {"latitude", "longitude", "radius", NULL};
    const struct fr_yaml *radius = fr_yaml_get(node, "radius");
    struct fr_server_config *c = r->config;
    bool has_latitude, has_longitude;

    if (node == NULL || !fr_yaml_is_map(&r->file, node, "home_zone", keys))
        return;
    has_latitude = admin_read_degrees(&r->file, node, "latitude", 90, &c->admin_home_latitude);
    has_longitude = admin_read_degrees(&r->file, node, "longitude", 180, &c->admin_home_longitude);
    c->admin_has_home = has_latitude && has_longitude; /* the mistakes of both were reported */
    c->admin_home_radius = fr_yaml_real(&r->file, radius, "radius", HOME_RADIUS);
    if (!(c->admin_home_radius >= 1 && c->admin_home_radius <= HOME_RADIUS_MAX))
        fr_yaml_config_error(&r->file, radius, "home_zone: radius must be 1 to %d metres",
                             HOME_RADIUS_MAX);
}

/* Other machines need a token, and may read the traffic without TLS. */
static void admin_check_network(struct fr_server_reader *r, const struct fr_yaml *section)
{
    const struct fr_server_config *c = r->config;
    const struct fr_yaml *node = fr_yaml_get(section, "address");

    if (!c->admin_on || c->admin_port == 0 || fr_is_loopback(c->admin_address))
        return;
    if (fr_yaml_get(section, "token_file") == NULL)
        fr_yaml_config_error(
            &r->file, node,
            "admin: other machines can reach %s: set `token_file:`, or listen on 127.0.0.1",
            c->admin_address);
    if (fr_yaml_get(section, "tls") == NULL)
        fr_yaml_config_error(
            &r->file, node,
            "admin: other machines can reach %s, and the token would cross the network in clear "
            "text: set `tls: on` for the certificate of the section `tls:`, or `tls: {certificate: "
            "FILE, key: FILE}`; `tls: off` permits clear text, where a proxy or a private network "
            "protects the port",
            c->admin_address);
}

void fr_server_read_admin(struct fr_server_reader *r, const struct fr_yaml *root)
{
    static const char *const keys[] = {"address", "port",      "token_file", "socket", "tls",
                                       "hosts",   "map_tiles", "home_zone",  NULL};
    const struct fr_yaml *node = fr_yaml_get(root, "admin");
    const struct fr_yaml_file *file = &r->file;
    struct fr_server_config *c = r->config;

    c->admin_on = node != NULL && !fr_server_is_off(r, node, "admin");
    node = node != NULL && node->kind == FR_YAML_TEXT ? NULL
                                                      : fr_server_section(r, root, "admin", keys);
    c->admin_address = fr_yaml_text(file, fr_yaml_get(node, "address"), "address", "127.0.0.1");
    c->admin_port =
        (uint16_t)fr_yaml_integer(file, fr_yaml_get(node, "port"), "port", 0, 65535, PORT_DEFAULT);
    if (fr_yaml_get(node, "token_file") != NULL)
        c->admin_token_file = fr_server_read_file(r, node, "admin", "token_file", node);
    if (fr_yaml_get(node, "socket") != NULL)
        c->admin_socket =
            fr_server_resolve(r, fr_yaml_text(file, fr_yaml_get(node, "socket"), "socket", ""));
    admin_read_tls(r, fr_yaml_get(node, "tls"));
    fr_yaml_each_text(file, fr_yaml_get(node, "hosts"), "hosts", admin_add_host, r);
    admin_read_map_tiles(r, fr_yaml_get(node, "map_tiles"));
    admin_read_home_zone(r, fr_yaml_get(node, "home_zone"));
    admin_check_network(r, node);
}

void fr_server_free_admin(struct fr_server_config *config)
{
    for (size_t i = 0; i < config->admin_host_count; i++)
        free(config->admin_hosts[i]);
    free(config->admin_hosts);
    free(config->admin_certificate);
    free(config->admin_key);
    free(config->admin_token_file);
    free(config->admin_socket);
}
