#include "source/replay.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "journal/stored_record.h"
#include "util/log.h"
#include "util/memory.h"

/* Max bytes of a stored record; above the max size of a message that is accepted. */
#define RECORD_MAX (70u << 20)

struct fr_replay {
    struct fr_submit *submit;
    void (*notify)(void *owner);
    void *owner;
    _Atomic uint64_t stored;
    uint64_t skipped;
    size_t needs; /* bytes of the next record with its length; 0: not known yet */
    bool paused;  /* the journal was full at the last fr_replay_take() */
};

static void replay_stored(void *ctx, size_t count)
{
    struct fr_replay *replay = ctx;

    atomic_fetch_add(&replay->stored, count);
    replay->notify(replay->owner);
}

struct fr_replay *fr_replay_new(struct fr_journal *journal, struct fr_routing *routing,
                                void (*notify)(void *owner), void *owner)
{
    struct fr_replay *replay = fr_calloc(1, sizeof *replay);

    replay->notify = notify;
    replay->owner = owner;
    replay->submit = fr_submit_new(journal, routing, true, replay_stored, replay);
    return replay;
}

void fr_replay_free(struct fr_replay *replay)
{
    if (replay == NULL)
        return;
    fr_submit_free(replay->submit);
    free(replay);
}

static enum fr_submitted replay_submit(struct fr_replay *replay, const struct fr_stored *s)
{
    static struct fr_log_limit limit;
    char version[FR_CLIENT_VERSION_MAX + 1];
    struct fr_submission submission = {
        .size = sizeof submission,
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
    outcome = fr_submit_record(replay->submit, &submission, &error);
    if (outcome == FR_SUBMIT_REJECTED) {
        replay->skipped++;
        fr_log_limited(&limit, FR_LOG_WARNING, "replay: skipped a record: %s", error.text);
    }
    return outcome;
}

int fr_replay_take(struct fr_replay *replay, struct evbuffer *in, struct fr_error *error)
{
    int status = 0;

    replay->paused = false;
    for (;;) {
        uint8_t length[4];
        struct fr_stored stored_record;
        const uint8_t *bytes;
        size_t len;

        if (evbuffer_copyout(in, length, sizeof length) < (ssize_t)sizeof length)
            break;
        len = (size_t)length[0] | (size_t)length[1] << 8 | (size_t)length[2] << 16 |
              (size_t)length[3] << 24;
        if (len > RECORD_MAX) {
            status =
                fr_error_set(error, "a record of %zu bytes is longer than the maximum of %u bytes",
                             len, RECORD_MAX);
            break;
        }
        replay->needs = sizeof length + len;
        if (evbuffer_get_length(in) < replay->needs)
            break;
        bytes = evbuffer_pullup(in, (ev_ssize_t)(sizeof length + len));
        if (bytes == NULL || fr_stored_read(bytes + sizeof length, len, &stored_record) != 0) {
            status = fr_error_set(error, "the bytes received are not a stored record");
            break;
        }
        if (replay_submit(replay, &stored_record) == FR_SUBMIT_AGAIN) {
            replay->paused = true;
            break;
        }
        evbuffer_drain(in, sizeof length + len);
    }
    fr_submit_flush(replay->submit);
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

uint64_t fr_replay_skipped(const struct fr_replay *replay)
{
    return replay->skipped;
}
