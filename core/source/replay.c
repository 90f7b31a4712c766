#include "source/replay.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "journal/stored_record.h"
#include "util/log.h"
#include "util/memory.h"

#define RECORD_MOST (70u << 20) /* more than any message is let in with */

struct fr_replay {
    struct fr_intake *intake;
    void (*stored_more)(void *owner);
    void *owner;
    _Atomic uint64_t stored;
    uint64_t left_out;
    size_t needs; /* bytes of the record that is being read */
    bool paused;  /* the journal was full */
};

static void stored(void *ctx, size_t count)
{
    struct fr_replay *replay = ctx;

    atomic_fetch_add(&replay->stored, count);
    replay->stored_more(replay->owner);
}

struct fr_replay *fr_replay_new(struct fr_journal *journal, struct fr_routing *routing,
                                void (*stored_more)(void *owner), void *owner)
{
    struct fr_replay *replay = fr_calloc(1, sizeof *replay);

    replay->stored_more = stored_more;
    replay->owner = owner;
    replay->intake = fr_intake_new(journal, routing, true, stored, replay);
    return replay;
}

void fr_replay_free(struct fr_replay *replay)
{
    if (replay == NULL)
        return;
    fr_intake_free(replay->intake);
    free(replay);
}

static enum fr_submitted submit(struct fr_replay *replay, const struct fr_stored *s)
{
    static struct fr_log_limit limit;
    char version[256];
    struct fr_submission submission = {
        .vin = (const char *)s->vin,
        .vin_len = s->vin_len,
        .record_type = (const char *)s->topic,
        .record_type_len = s->topic_len,
        .txid = (const char *)s->txid,
        .txid_len = s->txid_len,
        .client_version = version,
        .received_ms = s->received_ms,
        .format = FR_FORMAT_PROTOBUF,
        .bytes = s->payload,
        .len = s->payload_len,
    };
    struct fr_error error;
    enum fr_submitted outcome;

    memcpy(version, s->version, s->version_len);
    version[s->version_len] = '\0';
    outcome = fr_intake_submit(replay->intake, &submission, &error);
    if (outcome == FR_SUBMIT_LEFT) {
        replay->left_out++;
        fr_log_limited(&limit, FR_LOG_WARNING, "replay: a record is left out: %s", error.text);
    }
    return outcome;
}

int fr_replay_take(struct fr_replay *replay, struct evbuffer *in, struct fr_error *error)
{
    int status = 0;

    replay->paused = false;
    for (;;) {
        uint8_t head[4];
        struct fr_stored stored_record;
        const uint8_t *bytes;
        size_t len;

        if (evbuffer_copyout(in, head, sizeof head) < (ssize_t)sizeof head)
            break;
        len =
            (size_t)head[0] | (size_t)head[1] << 8 | (size_t)head[2] << 16 | (size_t)head[3] << 24;
        if (len > RECORD_MOST) {
            status = fr_error_set(error, "a record of %zu bytes is no record", len);
            break;
        }
        replay->needs = sizeof head + len;
        if (evbuffer_get_length(in) < replay->needs)
            break;
        bytes = evbuffer_pullup(in, (ev_ssize_t)(sizeof head + len));
        if (bytes == NULL || fr_stored_read(bytes + sizeof head, len, &stored_record) != 0) {
            status = fr_error_set(error, "what was sent is no stored record");
            break;
        }
        if (submit(replay, &stored_record) == FR_SUBMIT_LATER) {
            replay->paused = true;
            break;
        }
        evbuffer_drain(in, sizeof head + len);
    }
    fr_intake_flush(replay->intake);
    return status;
}

size_t fr_replay_needs(const struct fr_replay *replay)
{
    return replay->needs;
}

bool fr_replay_paused(const struct fr_replay *replay)
{
    return replay->paused;
}

uint64_t fr_replay_stored(const struct fr_replay *replay)
{
    return atomic_load(&replay->stored);
}

uint64_t fr_replay_left_out(const struct fr_replay *replay)
{
    return replay->left_out;
}
