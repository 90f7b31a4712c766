#include "ingest/http_head.h"

#include <string.h>

size_t fr_http_head_len(const char *bytes, size_t len)
{
    const char *at = bytes, *end = bytes + len;

    while ((at = memchr(at, '\n', (size_t)(end - at))) != NULL) {
        at++;
        if (at < end && *at == '\n')
            return (size_t)(at + 1 - bytes);
        if (end - at >= 2 && at[0] == '\r' && at[1] == '\n')
            return (size_t)(at + 2 - bytes);
    }
    return 0;
}

bool fr_http_head_may_end(const char *bytes, size_t len, size_t before)
{
    size_t from = before > 2 ? before - 2 : 0; /* the empty line may begin in the earlier part */

    return fr_http_head_len(bytes + from, len - from) != 0 || len > FR_HTTP_HEAD_MAX;
}
