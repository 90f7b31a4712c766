/* web_content.h - a file of the pages in memory, with its type and its ETag. Any thread. */
#ifndef FR_WEB_CONTENT_H
#define FR_WEB_CONTENT_H

#include "admin/http_types.h"

#define FR_WEB_ETAG_SIZE 40

struct fr_web_content {
    struct fr_http_file public; /* bytes is NULL until fr_web_content_finish() */
    struct fr_buffer bytes;
    char etag[FR_WEB_ETAG_SIZE];
};

/* Make `public`, whose type follows from the end of `name`, of the complete `bytes`. They and the
 * struct must not change or move any more; the owner frees `bytes`. Returns false, with `bytes` freed,
 * if memory was short. */
bool fr_web_content_finish(struct fr_web_content *content, const char *name);

#endif
