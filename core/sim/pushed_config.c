#include "sim/pushed_config.h"

#include <errno.h>
#include <jansson.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/memory.h"
#include "util/no_passphrase.h"

#define HOSTNAME_MAX 253
#define DELTA_MAX 1e12
#define DEFAULT_PORT 443

/* ---- members --------------------------------------------------------------------- */

/* Read a whole number from `min` to `max`; `absent` if the object has no such member. */
static int pushed_integer(const json_t *object, const char *key, int64_t min, int64_t max,
                          int64_t absent, int64_t *number, struct fr_error *error)
{
    const json_t *value = json_object_get(object, key);

    *number = json_is_integer(value) ? json_integer_value(value) : absent;
    if (value == NULL || (json_is_integer(value) && *number >= min && *number <= max))
        return 0;
    return fr_error_set(error, "%s must be a whole number from %lld to %lld", key, (long long)min,
                        (long long)max);
}

static int pushed_hostname(const json_t *root, char **hostname, struct fr_error *error)
{
    static const char valid[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-:";
    const char *text = json_string_value(json_object_get(root, "hostname"));
    size_t len = text != NULL ? strlen(text) : 0;

    if (len == 0 || len > HOSTNAME_MAX || text[strspn(text, valid)] != '\0')
        return fr_error_set(error, "hostname must be the name of the server, up to %d characters",
                            HOSTNAME_MAX);
    *hostname = fr_strdup(text);
    return 0;
}

static int pushed_ca(const json_t *root, char **ca, struct fr_error *error)
{
    const char *text = json_string_value(json_object_get(root, "ca"));

    if (text == NULL || *text == '\0')
        return fr_error_set(error, "ca must be the certificates of the server's CA, as PEM text");
    *ca = fr_strdup(text);
    return 0;
}

static int pushed_read_field(struct fr_pushed_field *to, const json_t *options,
                             struct fr_error *error)
{
    const json_t *delta = json_object_get(options, "minimum_delta");
    int64_t interval_s, resend_s;

    if (!json_is_object(options))
        return fr_error_set(error, "must be an object with interval_seconds");
    if (pushed_integer(options, "interval_seconds", 1, INT32_MAX, 0, &interval_s, error) != 0 ||
        pushed_integer(options, "resend_interval_seconds", 0, INT32_MAX, 0, &resend_s, error) != 0)
        return -1;
    if (interval_s == 0)
        return fr_error_set(error, "interval_seconds is missing");
    to->interval_ms = interval_s * 1000;
    to->resend_ms = resend_s * 1000;
    to->minimum_delta = json_number_value(delta);
    if (delta != NULL &&
        !(json_is_number(delta) && to->minimum_delta >= 0 && to->minimum_delta <= DELTA_MAX))
        return fr_error_set(error, "minimum_delta must be a number from 0 to %g", DELTA_MAX);
    return 0;
}

static int pushed_read_fields(struct fr_pushed_config *config, json_t *root, struct fr_error *error)
{
    json_t *fields = json_object_get(root, "fields"), *options;
    const char *name;

    if (!json_is_object(fields) || json_object_size(fields) > FR_PUSHED_FIELDS_MAX)
        return fr_error_set(error, "fields must be an object with up to %d fields",
                            FR_PUSHED_FIELDS_MAX);
    config->fields = fr_calloc(json_object_size(fields) + 1, sizeof *config->fields);
    json_object_foreach(fields, name, options)
    {
        const struct fr_field *field = fr_field_by_name(name);

        if (field == NULL) {
            config->unknown++;
            continue;
        }
        config->fields[config->count].field = field;
        if (pushed_read_field(&config->fields[config->count], options, error) != 0)
            return fr_error_wrap(error, "fields: %s", field->name);
        config->count++;
    }
    return 0;
}

/* ---- the whole ------------------------------------------------------------------- */

static int pushed_fill(struct fr_pushed_config *config, json_t *root, struct fr_error *error)
{
    json_t *inner = json_object_get(root, "config");
    int64_t port;

    if (json_is_null(inner))
        return fr_error_set(error, "config is null: the vehicle has no configuration; push one");
    if (inner != NULL)
        root = inner;
    if (!json_is_object(root))
        return fr_error_set(error, "the configuration must be an object");
    if (pushed_hostname(root, &config->hostname, error) != 0 ||
        pushed_integer(root, "port", 1, UINT16_MAX, DEFAULT_PORT, &port, error) != 0 ||
        pushed_ca(root, &config->ca, error) != 0 ||
        pushed_integer(root, "exp", 1, INT64_MAX / 1000, 0, &config->expires_s, error) != 0)
        return -1;
    config->port = (uint16_t)port;
    return pushed_read_fields(config, root, error);
}

struct fr_pushed_config *fr_pushed_config_parse(const char *text, size_t len,
                                                struct fr_error *error)
{
    struct fr_pushed_config *config;
    json_error_t problem;
    json_t *root;

    if (len > FR_PUSHED_CONFIG_MAX) {
        fr_error_set(error, "longer than %d bytes", FR_PUSHED_CONFIG_MAX);
        return NULL;
    }
    root = json_loadb(text, len, JSON_REJECT_DUPLICATES, &problem);
    if (root == NULL) {
        fr_error_set(error, "line %d, column %d: not valid JSON", problem.line, problem.column);
        return NULL;
    }
    config = fr_calloc(1, sizeof *config);
    if (pushed_fill(config, root, error) != 0) {
        fr_pushed_config_free(config);
        config = NULL;
    }
    json_decref(root);
    return config;
}

struct fr_pushed_config *fr_pushed_config_read(const char *path, struct fr_error *error)
{
    struct fr_pushed_config *config = NULL;
    char *text = fr_calloc(1, FR_PUSHED_CONFIG_MAX + 1);
    FILE *file = fopen(path, "re");
    size_t len = file != NULL ? fread(text, 1, FR_PUSHED_CONFIG_MAX + 1, file) : 0;

    if (file == NULL || ferror(file))
        fr_error_set(error, "cannot read %s: %s", path, strerror(errno));
    else {
        config = fr_pushed_config_parse(text, len, error);
        if (config == NULL)
            fr_error_wrap(error, "%s", path);
    }
    if (file != NULL)
        fclose(file);
    free(text);
    return config;
}

void fr_pushed_config_free(struct fr_pushed_config *config)
{
    if (config == NULL)
        return;
    free(config->hostname);
    free(config->ca);
    free(config->fields);
    free(config);
}

/* ---- trust ----------------------------------------------------------------------- */

/* Add each certificate of a PEM text to a store. Returns their number, or -1 at a damaged one. */
static int pushed_add_certificates(X509_STORE *store, const char *pem)
{
    BIO *text = BIO_new_mem_buf(pem, -1);
    X509 *certificate;
    int count = 0, status = 0;

    ERR_clear_error();
    while (text != NULL && status == 0 && count < FR_PUSHED_CERTIFICATES_MAX &&
           (certificate = PEM_read_bio_X509(text, NULL, fr_no_passphrase, NULL)) != NULL) {
        status = X509_STORE_add_cert(store, certificate) == 1 ? 0 : -1;
        X509_free(certificate);
        count++;
    }
    if (status == 0 && ERR_peek_last_error() != 0 &&
        ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE)
        status = -1;
    ERR_clear_error();
    BIO_free(text);
    return status == 0 ? count : -1;
}

int fr_pushed_config_trust(const struct fr_pushed_config *config, SSL_CTX *context,
                           struct fr_error *error)
{
    X509_VERIFY_PARAM *rules = SSL_CTX_get0_param(context);
    X509_STORE *store = X509_STORE_new();
    int count = store != NULL ? pushed_add_certificates(store, config->ca) : -1;

    if (count <= 0) {
        X509_STORE_free(store);
        return fr_error_set(error, count == 0 ? "ca has no certificate; it must be PEM text"
                                              : "ca has a damaged certificate");
    }
    SSL_CTX_set_cert_store(context, store); /* takes the store */
    X509_VERIFY_PARAM_set_hostflags(rules, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    if (X509_VERIFY_PARAM_set1_ip_asc(rules, config->hostname) != 1 &&
        X509_VERIFY_PARAM_set1_host(rules, config->hostname, 0) != 1)
        return fr_error_set(error, "hostname cannot be compared with a certificate");
    ERR_clear_error();
    return 0;
}
