/* fleetroute journal dump: prints records of the journal as JSON lines. */
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "journal/store_read.h"
#include "journal/stored_record.h"
#include "record/json.h"
#include "tool/commands.h"
#include "util/buffer.h"

#define CHUNK_RECORDS 1000     /* max records copied in one transaction */
#define CHUNK_BYTES (1u << 20) /* max bytes of them, plus one record */

/* Records that are copied out of the journal and not printed yet. */
struct dump_chunk {
    struct fr_buffer bytes; /* a struct dump_head and the stored bytes of each record */
    size_t count, max;      /* records */
};

/* The number of a record and its length in bytes. */
struct dump_head {
    uint64_t seq;
    size_t len;
};

/* Only copy the record: the transaction is open, and a write to standard output may block. */
static bool dump_copy(void *ctx, uint64_t seq, const uint8_t *bytes, size_t len)
{
    struct dump_chunk *chunk = ctx;
    struct dump_head head = {seq, len};

    if (chunk->count == chunk->max || chunk->bytes.len >= CHUNK_BYTES)
        return false;
    fr_buffer_append(&chunk->bytes, &head, sizeof head);
    fr_buffer_append(&chunk->bytes, bytes, len);
    if (chunk->bytes.failed)
        return false;
    chunk->count++;
    return true;
}

static void dump_print_one(uint64_t seq, const uint8_t *bytes, size_t len)
{
    struct fr_buffer line = {0};
    struct fr_stored stored;
    struct fr_record *record = NULL;

    if (fr_stored_read(bytes, len, &stored) == 0)
        record = fr_stored_record(&stored);
    if (record != NULL) {
        fr_json_record(&line, record, NULL, record->resend ? FR_FLAG_RESEND : 0, false);
        puts(fr_buffer_string(&line));
        fr_record_unref(record);
    } else
        fprintf(stderr, "fleetroute journal: record %" PRIu64 " is damaged\n", seq);
    fr_buffer_free(&line);
}

static void dump_print(const struct dump_chunk *chunk)
{
    const uint8_t *at = chunk->bytes.bytes;

    for (size_t i = 0; i < chunk->count; i++) {
        struct dump_head head;

        memcpy(&head, at, sizeof head);
        dump_print_one(head.seq, at + sizeof head, head.len);
        at += sizeof head + head.len;
    }
}

/* Records are copied in chunks and printed between the transactions: a long transaction, of a slow
 * or stopped output, would prevent the daemon from reusing freed pages. */
int fr_cmd_journal_dump(struct fr_store_reader *reader, uint64_t first, uint64_t end,
                        long long count)
{
    struct dump_chunk chunk = {.max = CHUNK_RECORDS};
    struct fr_store_span span = {.next = first, .end = end};
    struct fr_error error;
    int n;

    do {
        fr_buffer_clear(&chunk.bytes);
        chunk.count = 0;
        if (count >= 0 && count < CHUNK_RECORDS)
            chunk.max = (size_t)count;
        n = fr_store_read(reader, &span, chunk.max, dump_copy, &chunk, &error);
        if (span.missing != 0)
            fprintf(stderr,
                    "fleetroute journal: %" PRIu64 " records before %" PRIu64 " are missing\n",
                    span.missing, span.next);
        if (chunk.bytes.failed)
            n = fr_error_set(&error, "out of memory");
        else
            dump_print(&chunk);
        count -= count > 0 ? (long long)chunk.count : 0;
    } while (n > 0 && !ferror(stdout));
    fr_buffer_free(&chunk.bytes);
    if (n < 0) {
        fprintf(stderr, "fleetroute journal: %s\n", error.text);
        return EXIT_FAILURE;
    }
    if (fflush(stdout) != 0 || ferror(stdout)) {
        fprintf(stderr, "fleetroute journal: cannot write the records: %s\n", strerror(errno));
        return EXIT_FAILURE;
    }
    return EXIT_SUCCESS;
}
