/*
 * health_sentence.h - whether the daemon is well, in one sentence for its owner, with the remedy.
 *
 * Pure functions of the facts that the status reports. Any thread.
 */
#ifndef FR_HEALTH_SENTENCE_H
#define FR_HEALTH_SENTENCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ingest/certificate_age.h"
#include "plugin/host.h"

/* A sink or a source. */
struct fr_health_part {
    const char *kind; /* "sink" or "source" */
    const char *name;
    enum fr_health health;
    const char *why;
    uint64_t waiting; /* records of a sink in the journal */
    bool paused;      /* by an administrator */
};

/* Texts are valid during the call, and "" or NULL if they do not apply. */
struct fr_health_facts {
    bool journal_stuck;
    const char *journal_why;
    enum fr_certificate_age certificate;
    const char *certificate_why;
    bool out_of_descriptors;
    const struct fr_health_part *parts;
    size_t part_count;
    bool keep_warning; /* of the upkeep at Tesla */
    const char *keep_why;
    bool history_failing;
    const char *history_why;
    size_t handshakes_waiting;
    size_t connected, known; /* vehicles */
    bool has_sources;        /* vehicles may be connected elsewhere */
};

enum fr_health_level { FR_HEALTH_LEVEL_OK, FR_HEALTH_LEVEL_WARNING, FR_HEALTH_LEVEL_FAILURE };

struct fr_health_sentence {
    enum fr_health_level level;
    char sentence[1024];
    char remedy[512]; /* "": none is needed */
};

/* Find the most serious fact: what stops all vehicles first, then what stops some data, then what
 * will. The sentence ends with the number of further problems. */
void fr_health_sentence(const struct fr_health_facts *facts, struct fr_health_sentence *result);

/* "ok", "warning" or "failure". */
const char *fr_health_level_word(enum fr_health_level level);

#endif
