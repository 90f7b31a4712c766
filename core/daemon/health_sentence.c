#include "daemon/health_sentence.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "util/grouped.h"
#include "util/plural.h"

/* That no vehicle of this many is connected is not explained by parked cars. */
#define MANY_VEHICLES 10
#define END_SIZE 64 /* bytes of the end of a sentence */

struct sentence_state {
    struct fr_health_sentence *result;
    bool decided;
    size_t further; /* problems after the one that decided */
};

/* ---- sentences ------------------------------------------------------------------- */

/* Report a problem. The first one decides; `remedy` is NULL if none is needed. */
static void sentence_add(struct sentence_state *state, enum fr_health_level level,
                         const char *remedy, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

static void sentence_add(struct sentence_state *state, enum fr_health_level level,
                         const char *remedy, const char *format, ...)
{
    va_list ap;

    if (state->decided) {
        state->further++;
        return;
    }
    state->decided = true;
    state->result->level = level;
    va_start(ap, format);
    vsnprintf(state->result->sentence, sizeof state->result->sentence, format, ap);
    va_end(ap);
    snprintf(state->result->remedy, sizeof state->result->remedy, "%s",
             remedy != NULL ? remedy : "");
}

/* ": cause", or "" if there is none; the sentence gets its full stop at the end. */
static const char *sentence_cause(const char *why, char *buffer, size_t size)
{
    if (why == NULL || why[0] == '\0')
        return "";
    snprintf(buffer, size, ": %s", why);
    return buffer;
}

/* End the sentence with a full stop and the number of further problems. A long one is cut. */
static void sentence_finish(const struct sentence_state *state)
{
    char *sentence = state->result->sentence, cut[sizeof state->result->sentence - END_SIZE];
    size_t len = strlen(sentence);

    while (len != 0 && (sentence[len - 1] == '.' || sentence[len - 1] == '\n'))
        sentence[--len] = '\0';
    snprintf(cut, sizeof cut, "%.*s", (int)sizeof cut - 1, sentence);
    if (state->further != 0)
        snprintf(sentence, sizeof state->result->sentence, "%s. %zu further problem%s.", cut,
                 state->further, fr_plural(state->further));
    else
        snprintf(sentence, sizeof state->result->sentence, "%s.", cut);
}

/* ---- problems -------------------------------------------------------------------- */

static void sentence_check_ingest(struct sentence_state *state, const struct fr_health_facts *f)
{
    char cause[640];

    if (f->journal_stuck)
        sentence_add(state, FR_HEALTH_LEVEL_FAILURE,
                     "Make its disk writable or free space on it. Vehicles keep what is not "
                     "acknowledged and send it again.",
                     "No record is accepted, because the journal cannot be written%s",
                     sentence_cause(f->journal_why, cause, sizeof cause));
    if (f->certificate == FR_CERTIFICATE_EXPIRED || f->certificate == FR_CERTIFICATE_NOT_YET_VALID)
        sentence_add(
            state, FR_HEALTH_LEVEL_FAILURE,
            "Renew the certificate, or correct the clock of this machine. Changed files are "
            "read within 5 seconds.",
            "Vehicles refuse the certificate of this server%s",
            sentence_cause(f->certificate_why, cause, sizeof cause));
    if (f->out_of_descriptors)
        sentence_add(state, FR_HEALTH_LEVEL_FAILURE,
                     "Raise LimitNOFILE= of the systemd unit, or lower limits.connections.",
                     "New vehicles cannot connect, because no file descriptor is free");
}

static const char *sentence_part_remedy(const struct fr_health_part *part)
{
    if (part->paused)
        return "Resume the sink on this page.";
    if (part->health == FR_HEALTH_DOWN && strcmp(part->kind, "sink") == 0)
        return "Correct the cause; deliveries then begin by themselves. Until then records wait "
               "in the journal.";
    if (part->health == FR_HEALTH_DOWN)
        return "Correct the cause; the source then continues where it stopped.";
    return "Correct the cause. `fleetroute doctor` tests the whole chain.";
}

/* One problem for all sinks and sources of one health. */
static void sentence_check_parts(struct sentence_state *state, const struct fr_health_facts *f,
                                 enum fr_health health)
{
    const struct fr_health_part *first = NULL;
    enum fr_health_level level =
        health == FR_HEALTH_DOWN ? FR_HEALTH_LEVEL_FAILURE : FR_HEALTH_LEVEL_WARNING;
    char cause[640], waiting[64] = "", number[FR_GROUPED_SIZE];
    size_t count = 0;

    for (size_t i = 0; i < f->part_count; i++)
        if (f->parts[i].health == health && count++ == 0)
            first = &f->parts[i];
    if (first == NULL)
        return;
    if (first->waiting != 0)
        snprintf(waiting, sizeof waiting, " (%s record%s wait%s)",
                 fr_grouped(first->waiting, number), fr_plural(first->waiting),
                 first->waiting == 1 ? "s" : "");
    sentence_add(state, level, sentence_part_remedy(first), "The %s \"%s\" %s%s%s", first->kind,
                 first->name,
                 health == FR_HEALTH_DOWN ? "does not work"
                 : first->paused          ? "is paused"
                                          : "is impaired",
                 waiting, sentence_cause(first->paused ? "" : first->why, cause, sizeof cause));
    state->further += count - 1;
}

static void sentence_check_warnings(struct sentence_state *state, const struct fr_health_facts *f)
{
    char cause[1100], number[FR_GROUPED_SIZE];

    if (f->certificate == FR_CERTIFICATE_EXPIRES_SOON)
        sentence_add(state, FR_HEALTH_LEVEL_WARNING,
                     "Renew it before that date; else vehicles stop sending.",
                     "The certificate of this server will expire soon%s",
                     sentence_cause(f->certificate_why, cause, sizeof cause));
    if (f->keep_warning)
        sentence_add(state, FR_HEALTH_LEVEL_WARNING,
                     "`fleetroute keep` on the server repeats the attempt and reports the cause.",
                     "The configuration of vehicles at Tesla needs attention%s",
                     sentence_cause(f->keep_why, cause, sizeof cause));
    if (f->history_failing)
        sentence_add(state, FR_HEALTH_LEVEL_WARNING,
                     "Charts have a gap until it is corrected; records are delivered.",
                     "The history cannot be written%s",
                     sentence_cause(f->history_why, cause, sizeof cause));
    if (f->handshakes_waiting != 0)
        sentence_add(
            state, FR_HEALTH_LEVEL_WARNING,
            "None is lost, and the oldest come first. If this lasts, the machine needs more "
            "CPU time.",
            "%s vehicle%s wait%s to connect", fr_grouped(f->handshakes_waiting, number),
            fr_plural(f->handshakes_waiting), f->handshakes_waiting == 1 ? "s" : "");
}

static void sentence_check_vehicles(struct sentence_state *state, const struct fr_health_facts *f)
{
    char number[FR_GROUPED_SIZE];

    if (f->connected != 0 || f->has_sources)
        return;
    if (f->known == 0)
        sentence_add(state, FR_HEALTH_LEVEL_WARNING,
                     "Run `fleetroute doctor` on the server: it tests the chain from the car to "
                     "here. A car that sleeps connects when it wakes up.",
                     "No vehicle has connected yet");
    else if (f->known >= MANY_VEHICLES)
        sentence_add(state, FR_HEALTH_LEVEL_WARNING,
                     "Run `fleetroute doctor` on the server: it tests the name, the port and the "
                     "certificate.",
                     "None of %s known vehicles is connected", fr_grouped(f->known, number));
}

static void sentence_put_good(struct sentence_state *state, const struct fr_health_facts *f)
{
    char connected[FR_GROUPED_SIZE], known[FR_GROUPED_SIZE];

    if (f->known == 0)
        sentence_add(state, FR_HEALTH_LEVEL_OK, NULL, "Everything works");
    else if (f->connected == 0)
        sentence_add(state, FR_HEALTH_LEVEL_OK, NULL,
                     "Everything works; no vehicle is connected now, as when they sleep");
    else
        sentence_add(state, FR_HEALTH_LEVEL_OK, NULL,
                     "Everything works; %s of %s vehicle%s %s connected",
                     fr_grouped(f->connected, connected), fr_grouped(f->known, known),
                     fr_plural(f->known), f->connected == 1 ? "is" : "are");
}

void fr_health_sentence(const struct fr_health_facts *facts, struct fr_health_sentence *result)
{
    struct sentence_state state = {.result = result};

    *result = (struct fr_health_sentence){.level = FR_HEALTH_LEVEL_OK};
    sentence_check_ingest(&state, facts);
    sentence_check_parts(&state, facts, FR_HEALTH_DOWN);
    sentence_check_warnings(&state, facts);
    sentence_check_parts(&state, facts, FR_HEALTH_DEGRADED);
    sentence_check_vehicles(&state, facts);
    if (!state.decided)
        sentence_put_good(&state, facts);
    sentence_finish(&state);
}

const char *fr_health_level_word(enum fr_health_level level)
{
    static const char *const words[] = {[FR_HEALTH_LEVEL_OK] = "ok",
                                        [FR_HEALTH_LEVEL_WARNING] = "warning",
                                        [FR_HEALTH_LEVEL_FAILURE] = "failure"};

    return words[level];
}
