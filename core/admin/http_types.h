/* http_types.h - endpoints of the admin listener, and the requests that they get. */
#ifndef FR_HTTP_TYPES_H
#define FR_HTTP_TYPES_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "util/buffer.h"

struct fr_http_exchange;

#define FR_HTTP_WHO_SIZE 96 /* bytes of fr_http_call.who, with its NUL */

/* One request, as an endpoint gets it; valid during the call. */
struct fr_http_call {
    const char *query;   /* the text after the path's '?', or ""; see http_query.h */
    const char *segment; /* what {…} or * of the endpoint's path stands for, decoded; or "" */
    const char *body;    /* of an act, NUL-terminated; or "" */
    size_t body_len;
    const char *who;                   /* of an act: the client, for the log; or "" */
    struct fr_http_exchange *exchange; /* for fr_http_later(); NULL in the threads of the jobs */
    const _Atomic bool *cancelled; /* in the threads of the jobs: the client has left; else NULL */
};

/* Append the body to `out`. Returns the HTTP status; 0: the answer is sent later. */
typedef int fr_http_render_fn(void *ctx, const struct fr_http_call *call, struct fr_buffer *out);

/* A circle on the maps of the pages. */
struct fr_http_zone {
    double latitude, longitude; /* degrees */
    double radius;              /* m */
};

/* A constant file. */
struct fr_http_file {
    const char *type; /* MIME type */
    const char *bytes;
    size_t len;
    const char *etag;    /* with its quotes; differs when the content differs */
    const char *missing; /* NULL; or the text of the answer 404, and there is no content */
};

enum fr_http_kind {
    FR_HTTP_READ,    /* GET: render() in the thread of the event loop */
    FR_HTTP_JOB,     /* GET: render() in a thread of jobs.h */
    FR_HTTP_FILES,   /* GET: file(); links on other sites may open it */
    FR_HTTP_RECORDS, /* GET: a stream of records; no function */
    FR_HTTP_ACT,     /* POST: render(), which may change something */
};

struct fr_http_endpoint {
    const char *path; /* see fr_http_path_match() */
    const char *type; /* MIME type of the body */
    bool public;      /* answered without the token: the body contains nothing confidential */
    bool listed;      /* named in the text of a 404 */
    fr_http_render_fn *render; /* an act returns 0 after fr_http_later() or fr_http_job_start() */
    enum fr_http_kind kind;
    /* FR_HTTP_FILES: the file of the pages (web_files.h) with this name. The endpoint does not exist
     * while the file does not. NULL: file() selects the file. */
    const char *file_name;
    /* FR_HTTP_FILES: the file of call->segment; NULL: there is none. Valid as long as the listener. */
    const struct fr_http_file *(*file)(void *ctx, const struct fr_http_call *call);
    /* FR_HTTP_JOB: make the ctx of render() from that of the listener, and free it; both in the
     * thread of the event loop. NULL: render() gets the listener's, and uses only what any thread
     * may use. */
    void *(*prepare)(void *ctx);
    void (*release)(void *job_ctx);
};

#endif
