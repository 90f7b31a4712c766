/* The settings of the journal (section `journal:` of the server configuration). */
#ifndef FR_JOURNAL_SETTINGS_H
#define FR_JOURNAL_SETTINGS_H

#include <stddef.h>
#include <stdint.h>

/* What happens when the journal is full of records that a sink has not delivered. */
enum fr_journal_full {
    FR_JOURNAL_BLOCK,       /* pause vehicles until the sinks have completed records */
    FR_JOURNAL_DROP_OLDEST, /* delete the oldest records undelivered */
};

struct fr_journal_settings {
    const char *path;     /* folder; fr_journal_start() copies the string */
    uint64_t size;        /* bytes of records */
    int64_t retention_ms; /* delivered records are deleted after this age; undelivered ones only
                             with FR_JOURNAL_DROP_OLDEST */
    enum fr_journal_full when_full;
    int64_t commit_every_ms; /* min time between two commits */
    size_t commit_records;   /* max records in one commit */
    size_t duplicates;       /* number of messages that are remembered to detect a repetition */
};

#endif
