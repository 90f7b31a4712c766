#include "admin/web_files.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

#define FILES_MAX 64
#define ETAG_SIZE 40
#define ETAG_BYTES 16 /* of a SHA-256 */

/* A file that was requested; made at the first request. */
struct web_file {
    struct fr_http_file public;
    struct fr_buffer content;
    char etag[ETAG_SIZE];
};

static const char *web_type(const char *name)
{
    static const struct {
        const char *ending, *type;
    } types[] = {
        {".html", "text/html; charset=utf-8"},
        {".css", "text/css; charset=utf-8"},
        {".js", "text/javascript; charset=utf-8"},
        {".json", "application/json"},
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

static void web_set_etag(struct web_file *file)
{
    unsigned char digest[EVP_MAX_MD_SIZE] = {0};
    char *at = file->etag;

    EVP_Digest(file->content.bytes, file->content.len, digest, NULL, EVP_sha256(), NULL);
    *at++ = '"';
    for (size_t i = 0; i < ETAG_BYTES; i++, at += 2)
        snprintf(at, 3, "%02x", digest[i]);
    *at++ = '"';
    *at = '\0';
}

static bool web_make(struct web_file *file, const struct fr_web_source *source)
{
    for (const char *const *line = source->lines; *line != NULL; line++)
        fr_buffer_text(&file->content, *line);
    if (file->content.failed) {
        fr_buffer_free(&file->content);
        return false;
    }
    web_set_etag(file);
    file->public = (struct fr_http_file){web_type(source->name), fr_buffer_string(&file->content),
                                         file->content.len, file->etag};
    return true;
}

const struct fr_http_file *fr_web_file(const char *name)
{
    static struct web_file files[FILES_MAX];

    for (size_t i = 0; i < FILES_MAX && fr_web_sources[i].name != NULL; i++)
        if (strcmp(fr_web_sources[i].name, name) == 0)
            return files[i].public.bytes != NULL || web_make(&files[i], &fr_web_sources[i])
                       ? &files[i].public
                       : NULL;
    return NULL;
}
