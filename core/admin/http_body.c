#include "admin/http_body.h"

#include <stddef.h>
#include <string.h>
#include <strings.h>

const char *fr_http_body_mistake(const struct evkeyvalq *headers, bool post)
{
    const char *length = NULL, *coding = NULL, *host = NULL, *origin = NULL;

    for (const struct evkeyval *h = headers->tqh_first; h != NULL; h = h->next.tqe_next) {
        const char **value = strcasecmp(h->key, "Content-Length") == 0      ? &length
                             : strcasecmp(h->key, "Transfer-Encoding") == 0 ? &coding
                             : strcasecmp(h->key, "Host") == 0              ? &host
                             : strcasecmp(h->key, "Origin") == 0            ? &origin
                                                                            : NULL;

        if (value == NULL)
            continue;
        if (*value != NULL)
            return value == &host || value == &origin ? "Host or Origin is given twice"
                                                      : "the length of the body is given twice";
        *value = h->value;
    }
    if (length != NULL && coding != NULL)
        return "the request has Content-Length and Transfer-Encoding";
    if (length != NULL && (length[0] == '\0' || length[strspn(length, "0123456789")] != '\0'))
        return "Content-Length is not a number";
    if (coding != NULL && strcasecmp(coding, "chunked") != 0)
        return "a body may have the Transfer-Encoding chunked alone";
    if (!post && (coding != NULL || (length != NULL && length[strspn(length, "0")] != '\0')))
        return "only a POST may have a body";
    return NULL;
}
