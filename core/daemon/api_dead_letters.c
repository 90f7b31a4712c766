#include "daemon/api_dead_letters.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#include "admin/http_query.h"
#include "daemon/api_answer.h"
#include "daemon/daemon_state.h"
#include "record/json.h"
#include "source/json_payload.h"
#include "util/clock.h"
#include "util/memory.h"
#include "util/redact.h"

#define NAMES_MAX (2 * FR_SINKS_MAX)
#define LIMIT_DEFAULT 50
#define OFFSET_MAX 1000000000
#define ANSWER_MAX (4u << 20) /* bytes; beyond them records are null */
#define RECORD_MAX 65536      /* bytes of the JSON of a record */

struct letters_context {
    char *folder;
    char *names[NAMES_MAX]; /* sinks */
    size_t count;
};

static void letters_add_name(struct letters_context *ctx, const char *name, size_t len)
{
    for (size_t i = 0; i < ctx->count; i++)
        if (strlen(ctx->names[i]) == len && memcmp(ctx->names[i], name, len) == 0)
            return;
    if (ctx->count < NAMES_MAX && len != 0)
        ctx->names[ctx->count++] = fr_strndup(name, len);
}

void *fr_api_dead_letters_prepare(void *daemon)
{
    const struct fr_daemon *d = daemon;
    struct letters_context *ctx = fr_calloc(1, sizeof *ctx);

    ctx->folder = fr_strdup(d->dead_letters);
    for (size_t i = 0; i < d->sink_count; i++) {
        const char *name = fr_sink_name(d->setup->sinks[i]);

        letters_add_name(ctx, name, strlen(name));
    }
    return ctx;
}

void fr_api_dead_letters_release(void *job_ctx)
{
    struct letters_context *ctx = job_ctx;

    for (size_t i = 0; i < ctx->count; i++)
        free(ctx->names[i]);
    free(ctx->folder);
    free(ctx);
}

bool fr_api_dead_letters_sink_valid(const char *name)
{
    return name[0] != '\0' && strlen(name) <= FR_VIN_MAX && strchr(name, '/') == NULL;
}

/* ---- the sinks ------------------------------------------------------------------- */

static int letters_compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Add the sinks that have a file but are not configured any more. */
static void letters_add_files(struct letters_context *ctx)
{
    static const char *const ends[] = {".jsonl", ".jsonl.1"};
    DIR *folder = opendir(ctx->folder);
    const struct dirent *entry;

    while (folder != NULL && (entry = readdir(folder)) != NULL)
        for (size_t i = 0; i < 2; i++) {
            size_t len = strlen(entry->d_name), end = strlen(ends[i]);

            if (len > end && strcmp(entry->d_name + len - end, ends[i]) == 0)
                letters_add_name(ctx, entry->d_name, len - end);
        }
    if (folder != NULL)
        closedir(folder);
    qsort(ctx->names, ctx->count, sizeof *ctx->names, letters_compare_names);
}

/* ---- one letter ------------------------------------------------------------------ */

static void letters_put_text(struct fr_buffer *out, const char *name, const char *text)
{
    fr_buffer_printf(out, ",\"%s\":", name);
    fr_json_string(out, text, strlen(text));
}

/* Append the record of a letter as an object, or null if it is large or malformed. */
static void letters_put_record(struct fr_buffer *out, const struct fr_json_line *line)
{
    struct fr_record_source source = {
        .vin = line->vin,
        .topic = (const uint8_t *)line->topic,
        .topic_len = strlen(line->topic),
        .txid = (const uint8_t *)line->txid,
        .txid_len = strlen(line->txid),
        .client_version = "",
        .payload = line->payload.bytes,
        .payload_len = line->payload.len,
        .received_ms = line->received_ms,
    };
    struct fr_record *record = fr_record_known(&source, line->created_ns, false);
    struct fr_buffer json = {0};

    if (record != NULL)
        fr_json_record(&json, record, NULL, 0, fr_redacting());
    if (record == NULL || json.failed || json.len > RECORD_MAX || out->len > ANSWER_MAX)
        fr_buffer_text(out, "null");
    else
        fr_buffer_append(out, json.bytes, json.len);
    if (record != NULL)
        fr_record_unref(record);
    fr_buffer_free(&json);
}

int fr_api_dead_letter_parse(const struct fr_dead_letter *letter, const struct fr_buffer *text,
                             struct fr_json_line *line, json_t **root, struct fr_error *error)
{
    const char *bytes = (const char *)text->bytes;

    *line = (struct fr_json_line){0};
    *root = NULL;
    if (letter->len > FR_DEAD_LETTER_TEXT_MAX)
        return fr_error_set(error, "the dead letter has %u bytes; use `fleetroute replay`",
                            letter->len);
    if (fr_json_line_read(bytes, text->len, line, error) == FR_JSON_LINE_ERROR)
        return -1;
    *root = fr_json_parse_object(bytes, text->len, error);
    if (json_is_object(json_object_get(*root, "record")) &&
        json_is_string(json_object_get(*root, "payload")))
        return 0;
    json_decref(*root);
    *root = NULL;
    return fr_error_set(error, "the line of the file is no dead letter");
}

/* Append the members that a well-formed line has. */
static void letters_put_line(struct fr_buffer *out, const json_t *root, struct fr_json_line *line)
{
    char buffer[FR_REDACTED_VIN_SIZE];
    const char *reason = json_string_value(json_object_get(root, "reason"));
    int64_t failed_ns = fr_json_parse_time(json_string_value(json_object_get(root, "failed_at")));

    fr_buffer_printf(out, ",\"seq\":%lld",
                     (long long)json_integer_value(json_object_get(root, "seq")));
    letters_put_text(out, "vin", fr_display_vin(line->vin, buffer));
    letters_put_text(out, "type", line->topic);
    fr_buffer_printf(out, ",\"received_ms\":%lld,\"failed_ms\":%lld,\"attempts\":%lld",
                     (long long)line->received_ms,
                     (long long)(failed_ns > 0 ? failed_ns / 1000000 : 0),
                     (long long)json_integer_value(json_object_get(root, "attempts")));
    letters_put_text(out, "error", reason != NULL ? reason : "");
    fr_buffer_text(out, ",\"record\":");
    letters_put_record(out, line);
}

static void letters_put(struct fr_buffer *out, const struct fr_dead_letter_file *file,
                        const struct fr_dead_letter *letter, const char *sink)
{
    char id[FR_DEAD_LETTER_ID_SIZE];
    struct fr_json_line line;
    struct fr_buffer text = {0};
    struct fr_error error;
    json_t *root;

    if (!fr_dead_letter_read(file, letter, &text)) {
        fr_buffer_free(&text); /* it has just been deleted */
        return;
    }
    fr_dead_letter_id(file, letter, &text, id);
    fr_buffer_text(out, out->bytes[out->len - 1] == '[' ? "{\"id\":" : ",{\"id\":");
    fr_json_string(out, id, strlen(id));
    letters_put_text(out, "sink", sink);
    if (fr_api_dead_letter_parse(letter, &text, &line, &root, &error) == 0)
        letters_put_line(out, root, &line);
    else {
        letters_put_text(out, "error", error.text);
        fr_buffer_text(out, ",\"record\":null");
    }
    fr_buffer_byte(out, '}');
    json_decref(root);
    fr_buffer_free(&line.payload);
    fr_buffer_free(&text);
}

/* ---- the page -------------------------------------------------------------------- */

struct letters_page {
    char sink[FR_VIN_MAX + 1]; /* "": all */
    int64_t offset, limit;
    int64_t deadline_ms;
    const _Atomic bool *cancelled;
    uint64_t found;
    struct fr_buffer sinks, letters;
};

/* Append the part of the page that a sink has. Its letters follow `page->found` others. Returns -1 if
 * the time is over. */
static int letters_put_part(struct letters_page *page, const struct fr_dead_letter_file *file,
                            const char *sink)
{
    int64_t first = page->offset - (int64_t)page->found;
    int64_t end = first + page->limit;

    for (int64_t i = first > 0 ? first : 0; i < end && i < (int64_t)file->count; i++) {
        if (fr_monotonic_ms() > page->deadline_ms || atomic_load(page->cancelled))
            return -1;
        letters_put(&page->letters, file, &file->lines[file->count - 1 - (size_t)i], sink);
    }
    return 0;
}

static void letters_put_failed_sink(struct letters_page *page, const char *sink,
                                    const struct fr_error *error)
{
    fr_buffer_text(&page->sinks, page->sinks.len == 0 ? "{\"name\":" : ",{\"name\":");
    fr_json_string(&page->sinks, sink, strlen(sink));
    fr_buffer_text(&page->sinks, ",\"dead_letters\":null");
    letters_put_text(&page->sinks, "error", error->text);
    fr_buffer_byte(&page->sinks, '}');
}

static int letters_add_sink(struct letters_page *page, const char *folder, const char *sink,
                            struct fr_error *error)
{
    struct fr_dead_letter_file file;
    bool selected = strcmp(page->sink, sink) == 0;
    int status = fr_dead_letter_file_open(&file, folder, sink, error);

    if (status == 0)
        status = fr_dead_letter_file_scan(&file, page->deadline_ms, page->cancelled, error);
    if (status != 0 && !selected) { /* it does not hide those of other sinks */
        letters_put_failed_sink(page, sink, error);
        status = 0;
    } else if (status == 0) {
        fr_buffer_text(&page->sinks, page->sinks.len == 0 ? "{\"name\":" : ",{\"name\":");
        fr_json_string(&page->sinks, sink, strlen(sink));
        fr_buffer_printf(&page->sinks, ",\"dead_letters\":%zu}", file.count);
        if (page->sink[0] == '\0' || selected) {
            if (letters_put_part(page, &file, sink) != 0)
                status = fr_error_set(error, "the dead letters could not be read in time; request "
                                             "fewer of them");
            page->found += file.count;
        }
    }
    fr_dead_letter_file_close(&file);
    return status;
}

/* Returns NULL, or the mistake. */
static const char *letters_read_query(const char *query, struct letters_page *page)
{
    if (fr_http_query_text(query, "sink", page->sink, sizeof page->sink) == FR_HTTP_MALFORMED)
        return "sink: the name of a sink is possible";
    if (!fr_http_query_number(query, "offset", 0, OFFSET_MAX, 0, &page->offset))
        return "offset: a number from 0 to 1000000000 is possible";
    if (!fr_http_query_number(query, "limit", 0, FR_API_DEAD_LETTERS_MAX, LIMIT_DEFAULT,
                              &page->limit))
        return "limit: a number from 0 to 200 is possible";
    return NULL;
}

static int letters_answer(struct letters_context *ctx, struct letters_page *page,
                          struct fr_buffer *out)
{
    bool named = page->sink[0] == '\0';
    struct fr_error error;

    letters_add_files(ctx);
    for (size_t i = 0; i < ctx->count; i++)
        named = named || strcmp(ctx->names[i], page->sink) == 0;
    if (!named)
        return fr_api_refuse(out, 404, "there is no sink of this name");
    fr_buffer_byte(&page->letters, '[');
    for (size_t i = 0; i < ctx->count; i++)
        if (letters_add_sink(page, ctx->folder, ctx->names[i], &error) != 0)
            return fr_api_refuse(out, 503, error.text);
    fr_buffer_printf(out, "{\"sinks\":[%s],\"found\":%llu,\"offset\":%lld,\"limit\":%lld",
                     fr_buffer_string(&page->sinks), (unsigned long long)page->found,
                     (long long)page->offset, (long long)page->limit);
    fr_buffer_text(out, ",\"dead_letters\":");
    fr_buffer_append(out, page->letters.bytes, page->letters.len);
    fr_buffer_text(out, "]}");
    return page->letters.failed ? fr_api_refuse(out, 503, "out of memory") : 200;
}

int fr_api_dead_letters(void *job_ctx, const struct fr_http_call *call, struct fr_buffer *out)
{
    struct letters_page page = {.deadline_ms = fr_monotonic_ms() + FR_API_DEAD_LETTERS_MS,
                                .cancelled = call->cancelled};
    const char *mistake = letters_read_query(call->query, &page);
    int code =
        mistake != NULL ? fr_api_refuse(out, 400, mistake) : letters_answer(job_ctx, &page, out);

    fr_buffer_free(&page.sinks);
    fr_buffer_free(&page.letters);
    return code;
}
