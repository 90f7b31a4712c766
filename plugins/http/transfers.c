#include "http/transfers.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "clock_ms.h"
#include "http/retry_after.h"
#include "utf8.h"

#define CONNECTION_AGE_MAX_S 60L /* an idle connection is not used again after this time */

struct transfers {
    CURLM *multi;
    struct event_base *base;
    struct event *timer;
    struct transfer_settings settings;
};

struct transfer {
    struct transfers *transfers;
    transfer_end_fn *on_end;
    void *ctx;
    CURL *easy;
    bool is_active;
    bool is_cut; /* the answer is longer than ANSWER_READ_MAX */
    size_t header_bytes, body_bytes;
    int64_t retry_after_ms;
    struct fr_text_buffer kept; /* beginning of the body */
    char error[CURL_ERROR_SIZE];
};

/* ---- the end of a request -------------------------------------------------------- */

/* The beginning of the body on one line; "" if it is not text. */
static const char *transfer_reason(struct transfer *transfer)
{
    char *text = transfer->kept.bytes;
    uint32_t code;

    if (text == NULL || transfer->kept.failed)
        return "";
    transfer->kept.len = fr_utf8_cut(text, transfer->kept.len, ANSWER_KEPT_MAX);
    text[transfer->kept.len] = '\0';
    for (size_t at = 0, size; at < transfer->kept.len; at += size) {
        size = fr_utf8_next(text + at, transfer->kept.len - at, &code);
        if (size == 0) {
            text[at] = '\0';
            break;
        }
        if (code < 0x20 || (code >= 0x7f && code < 0xa0))
            memset(text + at, ' ', size);
    }
    return text + strspn(text, " ");
}

static void transfer_ended(struct transfer *transfer, CURLcode code)
{
    struct answer answer = {.code = code, .retry_after_ms = transfer->retry_after_ms};
    long connections = 0;
    curl_off_t connect_us = 0;

    curl_multi_remove_handle(transfer->transfers->multi, transfer->easy);
    transfer->is_active = false;
    curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &answer.status);
    curl_easy_getinfo(transfer->easy, CURLINFO_NUM_CONNECTS, &connections);
    curl_easy_getinfo(transfer->easy, CURLINFO_PRETRANSFER_TIME_T, &connect_us);
    /* A connection that was kept needs no new one, and no name ("Resolving timed out"). */
    answer.is_connected =
        connect_us > 0 || (connections == 0 && strncmp(transfer->error, "Resolving", 9) != 0);
    if (transfer->is_cut && answer.status >= 200)
        answer.code = CURLE_OK; /* the status is known; the rest of the answer is of no use */
    if (transfer->header_bytes > ANSWER_READ_MAX)
        snprintf(transfer->error, sizeof transfer->error,
                 "the headers of the answer have more than %d bytes", ANSWER_READ_MAX);
    answer.error = answer.code == CURLE_OK      ? ""
                   : transfer->error[0] != '\0' ? transfer->error
                                                : curl_easy_strerror(code);
    if (strncmp(answer.error, "getpeername()", 13) == 0) /* as libcurl reports a reset after TLS */
        answer.error = "the server closed the connection";
    answer.reason = transfer_reason(transfer);
    transfer->on_end(transfer->ctx, &answer);
}

/* on_end() may start the next request, which libcurl permits here. */
static void transfers_take_results(struct transfers *transfers)
{
    const CURLMsg *message;
    int left;

    while ((message = curl_multi_info_read(transfers->multi, &left)) != NULL) {
        CURLcode code = message->data.result;
        char *transfer = NULL;

        if (message->msg != CURLMSG_DONE)
            continue;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &transfer);
        transfer_ended((struct transfer *)(void *)transfer, code);
    }
}

/* ---- libcurl on the event loop --------------------------------------------------- */

static void transfers_on_socket(evutil_socket_t fd, short what, void *ctx)
{
    struct transfers *transfers = ctx;
    int action = (what & EV_READ ? CURL_CSELECT_IN : 0) | (what & EV_WRITE ? CURL_CSELECT_OUT : 0);
    int running;

    curl_multi_socket_action(transfers->multi, fd, action, &running);
    transfers_take_results(transfers);
}

static void transfers_on_timer(evutil_socket_t fd, short what, void *ctx)
{
    struct transfers *transfers = ctx;
    int running;

    (void)fd, (void)what;
    curl_multi_socket_action(transfers->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    transfers_take_results(transfers);
}

/* A CURLMOPT_SOCKETFUNCTION. `socket_data` is the event of the socket. */
static int transfers_watch(CURL *easy, curl_socket_t fd, int what, void *ctx, void *socket_data)
{
    struct transfers *transfers = ctx;
    struct event *event = socket_data;
    short flags = (short)((what & CURL_POLL_IN ? EV_READ : 0) |
                          (what & CURL_POLL_OUT ? EV_WRITE : 0) | EV_PERSIST);

    (void)easy;
    if (event != NULL)
        event_free(event);
    event = NULL;
    if (what != CURL_POLL_REMOVE) {
        event = event_new(transfers->base, fd, flags, transfers_on_socket, transfers);
        if (event != NULL && event_add(event, NULL) != 0) {
            event_free(event);
            event = NULL;
        }
    }
    curl_multi_assign(transfers->multi, fd, event);
    return event != NULL || what == CURL_POLL_REMOVE ? 0 : -1;
}

/* A CURLMOPT_TIMERFUNCTION. */
static int transfers_set_timer(CURLM *multi, long ms, void *ctx)
{
    struct transfers *transfers = ctx;

    (void)multi;
    if (ms < 0)
        return event_del(transfers->timer);
    return event_add(transfers->timer, &(struct timeval){ms / 1000, ms % 1000 * 1000});
}

struct transfers *transfers_new(struct event_base *base, const struct transfer_settings *settings)
{
    struct transfers *transfers = calloc(1, sizeof *transfers);

    if (transfers == NULL)
        return NULL;
    transfers->base = base;
    transfers->settings = *settings;
    transfers->timer = event_new(base, -1, 0, transfers_on_timer, transfers);
    if (transfers->timer == NULL || curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        if (transfers->timer != NULL)
            event_free(transfers->timer);
        free(transfers);
        return NULL;
    }
    transfers->multi = curl_multi_init();
    if (transfers->multi == NULL) {
        transfers_free(transfers);
        return NULL;
    }
    curl_multi_setopt(transfers->multi, CURLMOPT_SOCKETFUNCTION, transfers_watch);
    curl_multi_setopt(transfers->multi, CURLMOPT_SOCKETDATA, transfers);
    curl_multi_setopt(transfers->multi, CURLMOPT_TIMERFUNCTION, transfers_set_timer);
    curl_multi_setopt(transfers->multi, CURLMOPT_TIMERDATA, transfers);
    curl_multi_setopt(transfers->multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, settings->connections);
    curl_multi_setopt(transfers->multi, CURLMOPT_MAXCONNECTS, settings->connections);
    return transfers;
}

void transfers_free(struct transfers *transfers)
{
    if (transfers == NULL)
        return;
    curl_multi_cleanup(transfers->multi);
    event_free(transfers->timer);
    curl_global_cleanup();
    free(transfers);
}

/* ---- answers --------------------------------------------------------------------- */

static size_t transfer_on_header(char *bytes, size_t size, size_t count, void *ctx)
{
    static const char name[] = "Retry-After:";
    struct transfer *transfer = ctx;
    size_t len = size * count;

    transfer->header_bytes += len;
    if (transfer->header_bytes > ANSWER_READ_MAX)
        return 0;
    if (len >= sizeof name && strncasecmp(bytes, name, sizeof name - 1) == 0)
        transfer->retry_after_ms =
            retry_after_ms(bytes + sizeof name - 1, len - (sizeof name - 1), fr_clock_wall_ms());
    return len;
}

static size_t transfer_on_body(char *bytes, size_t size, size_t count, void *ctx)
{
    struct transfer *transfer = ctx;
    size_t len = size * count;
    size_t keep = ANSWER_KEPT_MAX - transfer->kept.len;

    fr_text_buffer_append(&transfer->kept, bytes, len < keep ? len : keep);
    transfer->body_bytes += len;
    transfer->is_cut = transfer->body_bytes > ANSWER_READ_MAX;
    return transfer->is_cut ? 0 : len;
}

/* ---- requests -------------------------------------------------------------------- */

static void transfer_set_security(CURL *easy, const struct transfer_settings *settings)
{
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(easy, CURLOPT_DISALLOW_USERNAME_IN_URL, 1L);
    curl_easy_setopt(easy, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
    curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 1L);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 2L);
    if (settings->ca != NULL) {
        curl_easy_setopt(easy, CURLOPT_CAINFO, settings->ca);
        curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
    }
    if (settings->certificate != NULL) {
        curl_easy_setopt(easy, CURLOPT_SSLCERT, settings->certificate);
        curl_easy_setopt(easy, CURLOPT_SSLKEY, settings->key);
    }
}

static void transfer_set_up(struct transfer *transfer)
{
    const struct transfer_settings *settings = &transfer->transfers->settings;
    CURL *easy = transfer->easy;

    transfer_set_security(easy, settings);
    curl_easy_setopt(easy, CURLOPT_PRIVATE, transfer);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, transfer->error);
    curl_easy_setopt(easy, CURLOPT_USERAGENT, "fleetroute/" PACKAGE_VERSION);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    /* A look-up of a name is left alone at the end of a request: libcurl would wait for its thread. */
    curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
    curl_easy_setopt(easy, CURLOPT_NOPROGRESS, 1L);
    curl_easy_setopt(easy, CURLOPT_TCP_NODELAY, 1L);
    /* HTTP/2 without TLS is not offered: libcurl 7.88 cannot use such a connection again. */
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION,
                     (long)(settings->version == HTTP_VERSION_1_1 ? CURL_HTTP_VERSION_1_1
                                                                  : CURL_HTTP_VERSION_2TLS));
    curl_easy_setopt(easy, CURLOPT_PIPEWAIT, 1L);
    curl_easy_setopt(easy, CURLOPT_MAXAGE_CONN, CONNECTION_AGE_MAX_S);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)settings->connect_timeout_ms);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)settings->timeout_ms);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, transfer_on_header);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, transfer);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, transfer_on_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, transfer);
}

struct transfer *transfer_new(struct transfers *transfers, transfer_end_fn *on_end, void *ctx)
{
    struct transfer *transfer = calloc(1, sizeof *transfer);

    if (transfer == NULL)
        return NULL;
    transfer->transfers = transfers;
    transfer->on_end = on_end;
    transfer->ctx = ctx;
    transfer->easy = curl_easy_init();
    if (transfer->easy == NULL) {
        free(transfer);
        return NULL;
    }
    transfer_set_up(transfer);
    return transfer;
}

void transfer_cancel(struct transfer *transfer)
{
    if (transfer->is_active)
        curl_multi_remove_handle(transfer->transfers->multi, transfer->easy);
    transfer->is_active = false;
}

void transfer_free(struct transfer *transfer)
{
    if (transfer == NULL)
        return;
    transfer_cancel(transfer);
    curl_easy_cleanup(transfer->easy);
    fr_text_buffer_free(&transfer->kept);
    free(transfer);
}

static bool transfer_begin(struct transfer *transfer, const char *url)
{
    assert(!transfer->is_active);
    transfer->is_cut = false;
    transfer->header_bytes = transfer->body_bytes = 0;
    transfer->retry_after_ms = 0;
    transfer->error[0] = '\0';
    fr_text_buffer_clear(&transfer->kept);
    transfer->is_active =
        curl_easy_setopt(transfer->easy, CURLOPT_URL, url) == CURLE_OK &&
        curl_multi_add_handle(transfer->transfers->multi, transfer->easy) == CURLM_OK;
    return transfer->is_active;
}

bool transfer_start(struct transfer *transfer, const char *url, struct curl_slist *headers,
                    const struct fr_text_buffer *body)
{
    const struct transfer_settings *settings = &transfer->transfers->settings;
    CURL *easy = transfer->easy;

    curl_easy_setopt(easy, CURLOPT_POST, 1L);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body->len);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, fr_text_buffer_string(body));
    curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, settings->method);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
    return transfer_begin(transfer, url);
}

bool transfer_connect(struct transfer *transfer, const char *url)
{
    curl_easy_setopt(transfer->easy, CURLOPT_CONNECT_ONLY, 1L);
    return transfer_begin(transfer, url);
}

bool transfer_is_active(const struct transfer *transfer)
{
    return transfer->is_active;
}
