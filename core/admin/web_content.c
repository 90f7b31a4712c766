#include "admin/web_content.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

#define ETAG_BYTES 16 /* of a SHA-256 */

static const char *content_type(const char *name)
{
    static const struct {
        const char *ending, *type;
    } types[] = {
        {".html", "text/html; charset=utf-8"},
        {".css", "text/css; charset=utf-8"},
        {".js", "text/javascript; charset=utf-8"},
        {".json", "application/json"},
        {".png", "image/png"},
        {".svg", "image/svg+xml"},
        {".webmanifest", "application/manifest+json"},
    };
    size_t len = strlen(name);

    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        size_t n = strlen(types[i].ending);

        if (len > n && strcmp(name + len - n, types[i].ending) == 0)
            return types[i].type;
    }
    return "text/plain; charset=utf-8";
}

static void content_set_etag(struct fr_web_content *content)
{
    unsigned char digest[EVP_MAX_MD_SIZE] = {0};
    char *at = content->etag;

    EVP_Digest(content->bytes.bytes, content->bytes.len, digest, NULL, EVP_sha256(), NULL);
    *at++ = '"';
    for (size_t i = 0; i < ETAG_BYTES; i++, at += 2)
        snprintf(at, 3, "%02x", digest[i]);
    *at++ = '"';
    *at = '\0';
}

bool fr_web_content_finish(struct fr_web_content *content, const char *name)
{
    const char *text = fr_buffer_string(&content->bytes);

    if (content->bytes.failed) {
        fr_buffer_free(&content->bytes);
        return false;
    }
    content_set_etag(content);
    content->public = (struct fr_http_file){.type = content_type(name),
                                            .bytes = text,
                                            .len = content->bytes.len,
                                            .etag = content->etag};
    return true;
}
