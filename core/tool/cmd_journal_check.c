/* fleetroute journal check, fleetroute journal salvage. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "journal/check.h"
#include "journal/salvage.h"
#include "journal/store_open.h"
#include "tool/commands.h"
#include "util/memory.h"

int fr_cmd_journal_check(const struct fr_server_config *config)
{
    struct fr_journal_check result;
    struct fr_error error;
    int lock = fr_store_lock(config->journal_path, &error);
    int status = fr_journal_check(config->journal_path, lock >= 0, 0, &result, &error);

    if (lock >= 0)
        close(lock);
    if (status != 0) {
        fprintf(stderr, "fleetroute journal: %s\n", error.text);
        return EXIT_FAILURE;
    }
    if (!result.complete) {
        fprintf(stderr, "fleetroute journal: the check did not end: %s\n", error.text);
        return EXIT_FAILURE;
    }
    printf("%" PRIu64 " records, %" PRIu64 " to %" PRIu64 "; %" PRIu64 " cursors; %" PRIu64
           " free pages\n",
           result.records, result.first, result.next - 1, result.cursors, result.free_pages);
    if (result.missing + result.damaged + result.cursors_beyond == 0) {
        puts("no record is missing or damaged");
        return EXIT_SUCCESS;
    }
    printf("%" PRIu64 " records are missing, %" PRIu64 " are damaged, %" PRIu64
           " cursors are beyond the end\n"
           "The daemon starts, skips these records and counts them. `fleetroute journal salvage` "
           "searches the file for them.\n",
           result.missing, result.damaged, result.cursors_beyond);
    return EXIT_FAILURE;
}

int fr_cmd_journal_salvage(const struct fr_server_config *config)
{
    const char **names = fr_calloc(config->sink_count, sizeof *names);
    struct fr_salvage result;
    struct fr_error error;
    int status;

    for (size_t i = 0; i < config->sink_count; i++)
        names[i] = config->sinks[i].name;
    status = fr_journal_salvage(config->journal_path, names, config->sink_count, &result, &error);
    free(names);
    if (status != 0) {
        fprintf(stderr, "fleetroute journal: %s\n", error.text);
        free(result.kept);
        return EXIT_FAILURE;
    }
    printf(
        "%" PRIu64 " records are in the new journal, %" PRIu64 " to %" PRIu64 "; %" PRIu64
        " between them are missing; %" PRIu64 " cursors were found\n"
        "A sink without a cursor starts at the oldest record. All records are marked as repeated.\n"
        "The damaged file is kept as %s\n",
        result.records, result.first, result.last, result.missing, result.cursors, result.kept);
    free(result.kept);
    return EXIT_SUCCESS;
}
