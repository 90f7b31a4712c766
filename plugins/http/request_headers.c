#include "http/request_headers.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "http/secret.h"
#include "text_buffer.h"

/* ---- checks ---------------------------------------------------------------------- */

struct checking {
    struct fr_sink *sink;
    const struct fr_host *host;
    const char *option;
};

static const char *headers_name_mistake(const char *name)
{
    static const char *const own[] = {"Content-Length", "Content-Encoding", "Transfer-Encoding",
                                      "Connection", "Expect"};
    static const char token[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
                                "!#$%&'*+-.^_`|~";

    if (*name == '\0' || strspn(name, token) != strlen(name))
        return "the name of a header has letters, digits and -";
    for (size_t i = 0; i < sizeof own / sizeof *own; i++)
        if (strcasecmp(name, own[i]) == 0)
            return "fleetroute sets this header itself";
    return NULL;
}

static int headers_check_one(const char *name, const char *value, void *context)
{
    const struct checking *checking = context;
    const char *mistake = headers_name_mistake(name);

    for (const char *c = value; *c != '\0'; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            mistake = "the value has a control character";
    if (mistake != NULL)
        checking->host->config_error(checking->sink, checking->option, name, "%s: %s", name,
                                     mistake);
    return 0;
}

void request_headers_check(struct fr_sink *sink, const struct fr_host *host)
{
    static const char *const options[] = {"headers", "header_files"};

    for (size_t i = 0; i < sizeof options / sizeof *options; i++) {
        struct checking checking = {sink, host, options[i]};

        host->each(sink, options[i], headers_check_one, &checking);
    }
}

/* ---- the list -------------------------------------------------------------------- */

struct making {
    struct curl_slist *list;
    bool has_content_type;
    char *why;
    size_t why_size;
};

static bool headers_add(struct making *making, const char *name, const char *value)
{
    struct fr_text_buffer line = {0};
    struct curl_slist *longer = NULL;

    fr_text_buffer_printf(&line, "%s: %s", name, value);
    if (!line.failed)
        longer = curl_slist_append(making->list, line.bytes);
    fr_secret_erase(&line);
    if (longer != NULL)
        making->list = longer;
    else
        snprintf(making->why, making->why_size, "no memory");
    if (strcasecmp(name, "Content-Type") == 0)
        making->has_content_type = true;
    return longer != NULL;
}

static int headers_add_plain(const char *name, const char *value, void *context)
{
    return headers_add(context, name, value) ? 0 : -1;
}

static int headers_add_secret(const char *name, const char *path, void *context)
{
    struct making *making = context;
    struct fr_text_buffer value = {0};
    bool ok = secret_read_line(path, &value, making->why, making->why_size) &&
              headers_add(making, name, value.bytes);

    fr_secret_erase(&value);
    return ok ? 0 : -1;
}

struct curl_slist *request_headers_make(struct fr_sink *sink, const struct fr_host *host,
                                        const char *content_type, enum encoding encoding, char *why,
                                        size_t why_size)
{
    struct making making = {.why = why, .why_size = why_size};
    struct curl_slist *expect = curl_slist_append(NULL, "Expect:"); /* the body is sent at once */

    making.list = expect;
    snprintf(why, why_size, "no memory");
    if (expect != NULL && host->each(sink, "headers", headers_add_plain, &making) == 0 &&
        host->each(sink, "header_files", headers_add_secret, &making) == 0 &&
        (making.has_content_type || headers_add(&making, "Content-Type", content_type)) &&
        (encoding == ENCODING_NONE ||
         headers_add(&making, "Content-Encoding", encoding == ENCODING_GZIP ? "gzip" : "zstd")))
        return making.list;
    request_headers_free(making.list);
    return NULL;
}

void request_headers_free(struct curl_slist *headers)
{
    for (struct curl_slist *at = headers; at != NULL; at = at->next)
        explicit_bzero(at->data, strlen(at->data));
    curl_slist_free_all(headers);
}
