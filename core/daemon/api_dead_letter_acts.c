#include "daemon/api_dead_letter_acts.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "admin/http_jobs.h"
#include "daemon/api_answer.h"
#include "daemon/api_dead_letters.h"
#include "daemon/daemon_state.h"
#include "source/submit.h"
#include "util/clock.h"
#include "util/counters.h"
#include "util/log.h"
#include "util/memory.h"
#include "util/plural.h"

#define BODY "the body must be {\"sink\":NAME,\"ids\":[TEXT,…]} or {\"sink\":NAME,\"all\":true}"
#define BATCH_MAX 256 /* records that wait for the journal */
#define POLL_US 2000
#define STORED_MS 3000 /* to wait for the journal */

struct letter_act {
    bool resend;
    char *folder, *sink;
    json_t *ids;                /* NULL: all */
    struct fr_journal *journal; /* NULL: off */
    struct fr_routing *routing; /* one reference; of `resend` */

    /* In the thread of the job: */
    int64_t deadline_ms;
    const _Atomic bool *cancelled;
    struct fr_dead_letter *letters; /* to be handled, oldest first */
    size_t count;
    size_t done, missing, rejected;
    struct fr_error why; /* of the last rejected letter, or of the failure */
    bool failed;
    struct fr_submit *submit;
    struct fr_dead_letter batch[BATCH_MAX]; /* that are submitted and not dropped yet */
    size_t batch_count;
    size_t submitted;
    _Atomic size_t stored;
};

/* One act at a time: two would send a letter twice, and a position is valid until the next act. */
static _Atomic bool act_runs;

static bool act_is_over(const struct letter_act *act)
{
    return fr_monotonic_ms() > act->deadline_ms || atomic_load(act->cancelled);
}

/* ---- the letters ----------------------------------------------------------------- */

/* Whether the letter is one of those found before: the request names it twice. */
static bool act_has(const struct letter_act *act, const struct fr_dead_letter *letter)
{
    for (size_t i = 0; i < act->count; i++)
        if (act->letters[i].part == letter->part && act->letters[i].offset == letter->offset)
            return true;
    return false;
}

static int act_find_ids(struct letter_act *act, struct fr_dead_letter_file *file)
{
    struct fr_buffer text = {0};

    act->letters = fr_calloc(json_array_size(act->ids), sizeof *act->letters);
    for (size_t i = 0; i < json_array_size(act->ids); i++) {
        struct fr_dead_letter *letter = &act->letters[act->count];

        if (!fr_dead_letter_find(file, json_string_value(json_array_get(act->ids, i)), letter,
                                 &text))
            act->missing++;
        else if (!act_has(act, letter))
            act->count++;
    }
    fr_buffer_free(&text);
    return 0;
}

static int act_find_all(struct letter_act *act, struct fr_dead_letter_file *file)
{
    if (fr_dead_letter_file_scan(file, act->deadline_ms, act->cancelled, &act->why) != 0)
        return -1;
    act->letters = file->lines;
    act->count = file->count;
    return 0;
}

static int act_drop(struct letter_act *act, const struct fr_dead_letter_file *file,
                    const struct fr_dead_letter *letters, size_t count, enum fr_counter counter)
{
    if (count == 0)
        return 0;
    if (fr_dead_letter_drop(file, letters, count, &act->why) != 0) {
        act->failed = true;
        return -1;
    }
    act->done += count;
    fr_count_add(counter, count);
    return 0;
}

/* ---- send again ------------------------------------------------------------------ */

/* On the journal's thread. */
static void act_on_stored(void *ctx, size_t count)
{
    struct letter_act *act = ctx;

    atomic_fetch_add(&act->stored, count);
}

/* Submit the record of a letter, when the journal has capacity. */
static enum fr_submitted act_submit(struct letter_act *act, struct fr_json_line *line)
{
    static const uint8_t resent[] = {4 << 3, 1}; /* Payload.is_resend */
    struct fr_submission s = {
        .size = sizeof s,
        .vin = line->vin,
        .vin_len = strlen(line->vin),
        .record_type = line->topic,
        .record_type_len = strlen(line->topic),
        .txid = line->txid,
        .txid_len = strlen(line->txid),
        .client_version = "",
        .received_ms = line->received_ms,
        .format = FR_FORMAT_PROTOBUF,
    };
    enum fr_submitted outcome;

    if (strcmp(line->topic, "V") == 0)
        fr_buffer_append(&line->payload, resent, sizeof resent);
    s.bytes = line->payload.bytes;
    s.len = line->payload.len;
    while ((outcome = fr_submit_record(act->submit, &s, &act->why)) == FR_SUBMIT_AGAIN &&
           !act_is_over(act))
        usleep(POLL_US);
    return outcome;
}

/* Wait until all submitted records are on disk, and drop their letters: also when the act was
 * cancelled, or they would be sent once more later. */
static int act_finish_batch(struct letter_act *act, const struct fr_dead_letter_file *file)
{
    int64_t until = fr_monotonic_ms() + STORED_MS;
    size_t count = act->batch_count;

    fr_submit_flush(act->submit);
    while (atomic_load(&act->stored) < act->submitted) {
        if (fr_monotonic_ms() > until) {
            act->failed = true;
            return fr_error_set(&act->why,
                                "the journal did not confirm %zu records; their letters "
                                "stay",
                                count);
        }
        usleep(POLL_US);
    }
    act->batch_count = 0;
    return act_drop(act, file, act->batch, count, FR_COUNT_DEAD_LETTERS_RESENT);
}

/* Returns -1 if the act cannot go on. */
static int act_resend_one(struct letter_act *act, const struct fr_dead_letter_file *file,
                          const struct fr_dead_letter *letter, struct fr_buffer *text)
{
    struct fr_json_line line = {0};
    json_t *root = NULL;
    enum fr_submitted outcome = FR_SUBMIT_REJECTED;

    if (!fr_dead_letter_read(file, letter, text))
        fr_error_set(&act->why, "it cannot be read");
    else if (fr_api_dead_letter_parse(letter, text, &line, &root, &act->why) == 0)
        outcome = act_submit(act, &line);
    json_decref(root);
    fr_buffer_free(&line.payload);
    if (outcome == FR_SUBMIT_AGAIN)
        return -1;
    if (outcome == FR_SUBMIT_REJECTED) {
        act->rejected++;
        return 0;
    }
    act->submitted++;
    act->batch[act->batch_count++] = *letter;
    return act->batch_count == BATCH_MAX ? act_finish_batch(act, file) : 0;
}

static void act_resend(struct letter_act *act, const struct fr_dead_letter_file *file)
{
    struct fr_buffer text = {0};
    int status = 0;

    act->submit = fr_submit_new(act->journal, act->routing, true, act_on_stored, act);
    for (size_t i = 0; i < act->count && status == 0 && !act_is_over(act); i++)
        status = act_resend_one(act, file, &act->letters[i], &text);
    if (!act->failed && act->batch_count != 0)
        act_finish_batch(act, file);
    fr_submit_free(act->submit);
    fr_buffer_free(&text);
}

/* ---- the act --------------------------------------------------------------------- */

/* Empty the files whose letters are all dropped. */
static void act_trim(const struct letter_act *act)
{
    struct fr_dead_letter_file file;
    struct fr_error error;

    if (fr_dead_letter_file_open(&file, act->folder, act->sink, &error) == 0 &&
        fr_dead_letter_file_scan(&file, fr_monotonic_ms() + FR_API_DEAD_LETTERS_MS, NULL, &error) ==
            0)
        fr_dead_letter_file_trim(&file);
    fr_dead_letter_file_close(&file);
}

static void act_work(struct letter_act *act)
{
    struct fr_dead_letter_file file;

    if (fr_dead_letter_file_open(&file, act->folder, act->sink, &act->why) != 0 ||
        (act->ids != NULL ? act_find_ids(act, &file) : act_find_all(act, &file)) != 0)
        act->failed = true;
    else if (act->resend)
        act_resend(act, &file);
    else
        act_drop(act, &file, act->letters, act->count, FR_COUNT_DEAD_LETTERS_DROPPED);
    if (act->letters != file.lines)
        free(act->letters);
    fr_dead_letter_file_close(&file);
    if (act->done != 0)
        act_trim(act);
}

/* Describe the outcome. Returns the HTTP status. */
static int act_report(const struct letter_act *act, struct fr_buffer *message)
{
    size_t rest = act->count - act->done - act->rejected;

    fr_buffer_printf(message, "%zu dead letter%s %s", act->done, fr_plural(act->done),
                     act->resend ? "sent again" : "dropped");
    if (act->missing != 0)
        fr_buffer_printf(message, "; %zu did not exist any more", act->missing);
    if (act->rejected != 0)
        fr_buffer_printf(message, "; %zu could not be sent: %s", act->rejected, act->why.text);
    if (act->failed)
        fr_buffer_printf(message, "; %s", act->why.text);
    else if (rest != 0)
        fr_buffer_printf(message, "; the time is over, %zu stay; repeat the request", rest);
    return act->failed                                                   ? 503
           : act->rejected != 0 || (act->missing != 0 && act->done == 0) ? 409
                                                                         : 200;
}

static int act_render(void *ctx, const struct fr_http_call *call, struct fr_buffer *out)
{
    struct letter_act *act = ctx;
    struct fr_buffer message = {0};
    int code = 409;

    act->cancelled = call->cancelled;
    act->deadline_ms = fr_monotonic_ms() + FR_API_LETTER_ACTS_MS;
    if (atomic_exchange(&act_runs, true))
        fr_buffer_text(&message, "another act on dead letters is running; try again");
    else {
        act_work(act);
        atomic_store(&act_runs, false);
        code = act_report(act, &message);
    }
    fr_log(FR_LOG_NOTICE, "admin: %s: dead letters of sink %s: %s", call->who, act->sink,
           fr_buffer_string(&message));
    if (code == 200)
        fr_api_succeed(out, fr_buffer_string(&message));
    else
        fr_api_refuse(out, code, fr_buffer_string(&message));
    fr_buffer_free(&message);
    return code;
}

static void act_free(void *ctx)
{
    struct letter_act *act = ctx;

    free(act->folder);
    free(act->sink);
    json_decref(act->ids);
    fr_routing_unref(act->routing);
    free(act);
}

/* Whether the ids are texts; `all`: there are none. */
static bool act_ids_valid(const json_t *ids, const json_t *all)
{
    if (ids == NULL)
        return json_is_true(all);
    for (size_t i = 0; i < json_array_size(ids); i++)
        if (!json_is_string(json_array_get(ids, i)))
            return false;
    return all == NULL && json_array_size(ids) != 0;
}

static int act_start(struct fr_daemon *d, const struct fr_http_call *call, struct fr_buffer *out,
                     bool resend)
{
    json_t *root = json_loadb(call->body, call->body_len, JSON_REJECT_DUPLICATES, NULL);
    const char *sink = json_string_value(json_object_get(root, "sink"));
    json_t *ids = json_object_get(root, "ids");
    bool valid = sink != NULL && act_ids_valid(ids, json_object_get(root, "all"));
    struct letter_act *act;

    if (!valid || !fr_api_dead_letters_sink_valid(sink) || (resend && d->journal == NULL)) {
        json_decref(root);
        if (!valid)
            return fr_api_refuse(out, 400, BODY);
        return resend && d->journal == NULL
                   ? fr_api_refuse(out, 409, "sending again needs a journal; switch `journal:` on")
                   : fr_api_refuse(out, 404, "there is no sink of this name");
    }
    act = fr_calloc(1, sizeof *act);
    act->resend = resend;
    act->folder = fr_strdup(d->dead_letters);
    act->sink = fr_strdup(sink);
    act->ids = json_incref(ids);
    act->journal = d->journal;
    act->routing = fr_routing_ref(d->setup->routing);
    json_decref(root);
    return fr_http_job_start(call, act_render, act, act_free, out);
}

int fr_api_resend_dead_letters(void *daemon, const struct fr_http_call *call, struct fr_buffer *out)
{
    return act_start(daemon, call, out, true);
}

int fr_api_drop_dead_letters(void *daemon, const struct fr_http_call *call, struct fr_buffer *out)
{
    return act_start(daemon, call, out, false);
}
