/* The parts of the journal: stored records, duplicates, and the store on disk. */
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "journal/dedup.h"
#include "journal/store_open.h"
#include "journal/store_read.h"
#include "journal/store_state.h"
#include "journal/store_write.h"
#include "journal/stored_record.h"

#define VIN "5YJ3E1EA7KF000001"
#define RESEND_FIELD 4 /* number of Payload.is_resend */

static char folder[64], path[96];
static struct fr_store *store;
static struct fr_error error;

static struct fr_record *make_with_payload(unsigned number, const void *payload, size_t len)
{
    char txid[32];
    struct fr_record_source source = {.vin = VIN,
                                      .topic = (const uint8_t *)"V",
                                      .topic_len = 1,
                                      .txid = (const uint8_t *)txid,
                                      .client_version = "2.1",
                                      .payload = payload,
                                      .payload_len = len,
                                      .received_ms = 1000 + number};

    source.txid_len = (size_t)snprintf(txid, sizeof txid, "t-%u", number);
    return fr_record_known(&source, number * 10, false);
}

static struct fr_record *make(unsigned number)
{
    char payload[64];
    size_t len = (size_t)snprintf(payload, sizeof payload, "payload %u", number);

    return make_with_payload(number, payload, len);
}

static void open_store(void)
{
    store = fr_store_open(path, 10000000, &error);
    ck_assert_msg(store != NULL, "%s", error.text);
}

static void set_up(void)
{
    strcpy(folder, "/tmp/fr-unit.XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/a/journal", folder);
    open_store();
}

static void tear_down(void)
{
    char command[128];

    fr_store_close(store);
    snprintf(command, sizeof command, "rm -r %s", folder);
    ck_assert_int_eq(system(command), 0);
}

static void append(unsigned from, unsigned count, int64_t at_ms)
{
    ck_assert_int_eq(fr_store_begin(store, &error), 0);
    for (unsigned i = from; i < from + count; i++) {
        struct fr_record *record = make(i);

        ck_assert_int_eq(fr_store_append(store, record, at_ms, &error), 0);
        fr_record_unref(record);
    }
    ck_assert_int_eq(fr_store_commit(store, &error), 0);
}

static uint64_t collected[4096];
static size_t collected_count;

static bool collect_seq(void *ctx, uint64_t seq, const uint8_t *bytes, size_t len)
{
    struct fr_stored stored;

    (void)ctx;
    ck_assert_int_eq(fr_stored_read(bytes, len, &stored), 0);
    ck_assert_uint_lt(collected_count, 4096);
    collected[collected_count++] = seq;
    return true;
}

static uint64_t last_deleted;

/* Read up to `max` records below `end`. Returns the number of missing sequence numbers. Stores the
 * number of deleted ones in last_deleted. */
static uint64_t read_from(uint64_t *next, size_t max, uint64_t end)
{
    struct fr_store_reader *reader = fr_store_reader_new(store, &error);
    struct fr_store_span span = {.next = *next, .end = end};

    collected_count = 0;
    ck_assert_int_ge(fr_store_read(reader, &span, max, collect_seq, NULL, &error), 0);
    fr_store_reader_free(reader);
    *next = span.next;
    last_deleted = span.deleted;
    return span.missing;
}

START_TEST(long_client_version_reads_back)
{
    char version[4000];
    struct fr_record_source source = {.vin = VIN,
                                      .topic = (const uint8_t *)"V",
                                      .topic_len = 1,
                                      .txid = (const uint8_t *)"t",
                                      .txid_len = 1,
                                      .client_version = version};
    struct fr_record *record, *read_back;
    struct fr_stored stored;
    uint8_t bytes[5000];

    memset(version, 'v', sizeof version);
    version[sizeof version - 1] = '\0';
    record = fr_record_known(&source, 0, false);
    ck_assert_uint_lt(fr_stored_size(record), sizeof bytes);
    fr_stored_write(record, 5000, bytes);
    ck_assert_int_eq(fr_stored_read(bytes, fr_stored_size(record), &stored), 0);
    read_back = fr_stored_record(&stored);
    ck_assert_str_eq(read_back->client_version, version);
    fr_record_unref(record);
    fr_record_unref(read_back);
}
END_TEST

START_TEST(stored_record_reads_back)
{
    struct fr_record *record = make(7), *read_back;
    size_t len = fr_stored_size(record);
    uint8_t *bytes = malloc(len);
    struct fr_stored stored;

    fr_stored_write(record, 5000, bytes);
    ck_assert_int_eq(fr_stored_read(bytes, len, &stored), 0);
    ck_assert_int_eq(stored.appended_ms, 5000);
    read_back = fr_stored_record(&stored);
    ck_assert_str_eq(read_back->vin, VIN);
    ck_assert_str_eq(read_back->topic, "V");
    ck_assert_str_eq(read_back->txid, "t-7");
    ck_assert_str_eq(read_back->client_version, "2.1");
    ck_assert_int_eq(read_back->created_ns, 70);
    ck_assert_uint_eq(read_back->payload_len, strlen("payload 7"));
    for (size_t i = 0; i < len; i++) { /* a changed bit or a truncation is detected */
        bytes[i] ^= 4;
        ck_assert_int_eq(fr_stored_read(bytes, len, &stored), -1);
        bytes[i] ^= 4;
        ck_assert_int_eq(fr_stored_read(bytes, i, &stored), -1);
    }
    fr_record_unref(record);
    fr_record_unref(read_back);
    free(bytes);
}
END_TEST

START_TEST(duplicates_are_found_within_the_window)
{
    struct fr_dedup *d = fr_dedup_new(100);
    struct fr_record *records[300];

    for (unsigned i = 0; i < 300; i++) {
        records[i] = make(i);
        ck_assert(!fr_dedup_seen(d, records[i]));
        ck_assert(fr_dedup_seen(d, records[i]));
    }
    for (unsigned i = 200; i < 300; i++)
        ck_assert(fr_dedup_seen(d, records[i]));
    ck_assert(!fr_dedup_seen(d, records[0]));   /* older than the window */
    ck_assert(!fr_dedup_seen(d, records[200])); /* replaced by the one above */
    records[250]->created_ns++;                 /* same txid, different creation time */
    ck_assert(!fr_dedup_seen(d, records[250]));
    for (unsigned i = 0; i < 300; i++)
        fr_record_unref(records[i]);
    fr_dedup_free(d);
}
END_TEST

static bool is_duplicate_with(struct fr_dedup *d, const char *value, const uint8_t *more,
                              size_t more_len)
{
    struct fr_buffer payload = {0};
    struct fr_record *record;
    bool duplicate;

    fr_payload_of_one(&payload, VIN, 70, 4, (const uint8_t *)value, strlen(value));
    fr_buffer_append(&payload, more, more_len);
    record = make_with_payload(7, payload.bytes, payload.len);
    duplicate = fr_dedup_seen(d, record);
    fr_record_unref(record);
    fr_buffer_free(&payload);
    return duplicate;
}

static bool is_duplicate(struct fr_dedup *d, const char *value, bool resend)
{
    static const uint8_t resend_flag[] = {RESEND_FIELD << 3, 1};

    return is_duplicate_with(d, value, resend_flag, resend ? sizeof resend_flag : 0);
}

START_TEST(different_payload_is_no_duplicate)
{
    struct fr_dedup *d = fr_dedup_new(100);

    ck_assert(!is_duplicate(d, "one", false));
    ck_assert(!is_duplicate(d, "two", false));
    ck_assert(is_duplicate(d, "one", false));
    ck_assert(is_duplicate(d, "two", true)); /* with is_resend: the same message */
    ck_assert(!is_duplicate_with(d, "one", (const uint8_t[]){9 << 3, 1}, 2)); /* an unknown field */
    ck_assert(!is_duplicate_with(d, "one", (const uint8_t[]){9 << 3, 2}, 2));
    ck_assert(!is_duplicate_with(d, "one", (const uint8_t[]){2 << 3 | 2, 2, 8, 9}, 4)); /* a time */
    ck_assert(is_duplicate_with(d, "one", (const uint8_t[]){9 << 3, 2}, 2));
    fr_dedup_free(d);
}
END_TEST

START_TEST(order_is_kept_over_a_restart)
{
    uint64_t next = 1;

    append(0, 100, 1000);
    append(100, 50, 2000);
    fr_store_close(store);
    open_store();
    append(150, 10, 3000);
    ck_assert_uint_eq(read_from(&next, SIZE_MAX, 161), 0);
    ck_assert_uint_eq(collected_count, 160);
    ck_assert_uint_eq(collected[0], 1);
    ck_assert_uint_eq(collected[159], 160);
    ck_assert_uint_eq(next, 161);
    ck_assert_uint_eq(last_deleted, 0);
    next = 50;
    read_from(&next, 5, 161);
    ck_assert_uint_eq(collected_count, 5);
    ck_assert_uint_eq(next, 55);
}
END_TEST

START_TEST(aborted_records_are_not_stored)
{
    struct fr_record *record = make(1);
    struct fr_store_usage usage;

    append(0, 10, 1000);
    ck_assert_int_eq(fr_store_begin(store, &error), 0);
    ck_assert_int_eq(fr_store_append(store, record, 1000, &error), 0);
    ck_assert_uint_eq(record->seq, 11);
    fr_store_abort(store);
    append(10, 1, 1000);
    ck_assert_int_eq(fr_store_usage(store, &usage, &error), 0);
    ck_assert_uint_eq(usage.next, 12);
    ck_assert_uint_eq(usage.first, 1);
    ck_assert_int_eq(usage.first_ms, 1000);
    fr_record_unref(record);
}
END_TEST

static size_t prune(int64_t before_ms, uint64_t below, uint64_t needed, size_t max)
{
    struct fr_store_old old = {before_ms, below, needed};
    struct fr_store_pruned pruned;

    ck_assert_int_eq(fr_store_prune(store, &old, max, &pruned, &error), 0);
    ck_assert_uint_eq(pruned.end - pruned.first, pruned.count); /* no holes */
    return pruned.count;
}

START_TEST(prune_by_age_and_by_number)
{
    uint64_t next = 1;

    append(0, 100, 1000);
    append(100, 100, 2000);
    ck_assert_int_eq(fr_store_begin(store, &error), 0);
    ck_assert_uint_eq(prune(9000, 0, 1, 1000), 0); /* old, but needed */
    ck_assert_uint_eq(prune(1500, 0, UINT64_MAX, 30), 30);
    ck_assert_uint_eq(prune(9000, 0, 51, 1000), 20);
    ck_assert_uint_eq(prune(1500, 0, UINT64_MAX, 1000), 50);
    ck_assert_uint_eq(prune(0, 111, UINT64_MAX, 1000), 10);
    ck_assert_uint_eq(fr_store_first(store), 111);
    ck_assert_uint_eq(prune(9000, UINT64_MAX, UINT64_MAX, 1000),
                      89); /* the newest record stays: it holds the last sequence number */
    ck_assert_int_eq(fr_store_commit(store, &error), 0);
    ck_assert_uint_eq(read_from(&next, 10, 201), 0);
    ck_assert_uint_eq(last_deleted, 199);
    fr_store_close(store);
    open_store();
    append(200, 1, 3000);
    next = 200;
    read_from(&next, 10, 202);
    ck_assert_uint_eq(collected[1], 201);
}
END_TEST

/* Change the sequence number of a record directly in LMDB. With `to` 0, delete the record. */
static void renumber(uint64_t from, uint64_t to)
{
    MDB_val key = {sizeof from, &from}, new_key = {sizeof to, &to}, data;
    uint8_t copy[512];

    ck_assert_int_eq(fr_store_begin(store, &error), 0);
    ck_assert_int_eq(mdb_get(store->txn, store->records, &key, &data), 0);
    ck_assert_uint_le(data.mv_size, sizeof copy);
    memcpy(copy, data.mv_data, data.mv_size);
    data.mv_data = copy;
    ck_assert_int_eq(mdb_del(store->txn, store->records, &key, NULL), 0);
    if (to != 0)
        ck_assert_int_eq(mdb_put(store->txn, store->records, &new_key, &data, 0), 0);
    ck_assert_int_eq(fr_store_commit(store, &error), 0);
}

START_TEST(gaps_are_counted_as_missing)
{
    uint64_t next = 1;

    append(0, 1000, 1000);
    for (uint64_t seq = 300; seq < 350; seq++)
        renumber(seq, 0);
    ck_assert_uint_eq(read_from(&next, SIZE_MAX, 1001), 50);
    ck_assert_uint_eq(collected_count, 950);
    ck_assert_uint_eq(next, 1001);
    /* The records 999 and 1000 are missing, and a record far beyond the end exists. */
    renumber(1000, UINT64_C(10000000000000000000));
    renumber(999, 0);
    next = 990;
    ck_assert_uint_eq(read_from(&next, SIZE_MAX, 1001), 2);
    ck_assert_uint_eq(collected_count, 9);
    ck_assert_uint_eq(next, 1001);
    /* The position is inside a gap: no record is read twice. */
    next = 310;
    ck_assert_uint_eq(read_from(&next, 1, 1001), 40);
    ck_assert_uint_eq(collected[0], 350);
    ck_assert_uint_eq(next, 351);
}
END_TEST

START_TEST(position_beyond_the_end_is_rejected)
{
    struct fr_store_usage usage = {.first = 10, .next = 20};
    uint64_t seq = 20;

    ck_assert_int_eq(fr_store_position(&usage, &seq, &error), 0);
    ck_assert_uint_eq(seq, 20);
    seq = 21;
    ck_assert_int_eq(fr_store_position(&usage, &seq, &error), -1);
    ck_assert_ptr_nonnull(strstr(error.text, "beyond the end"));
    seq = 3;
    ck_assert_int_eq(fr_store_position(&usage, &seq, &error), 0);
    ck_assert_uint_eq(seq, 10);
}
END_TEST

START_TEST(seek_finds_times)
{
    struct fr_store_reader *reader;
    const struct {
        int64_t ms;
        uint64_t seq;
    } cases[] = {{0, 1}, {1000, 1}, {1001, 11}, {2000, 11}, {2500, 21}, {3000, 21}, {3001, 31}};

    append(0, 10, 1000);
    append(10, 10, 2000);
    append(20, 10, 3000);
    reader = fr_store_reader_new(store, &error);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint64_t seq;

        ck_assert_int_eq(fr_store_seek(reader, cases[i].ms, &seq, &error), 0);
        ck_assert_uint_eq(seq, cases[i].seq);
    }
    fr_store_reader_free(reader);
}
END_TEST

START_TEST(store_is_locked_by_one_daemon)
{
    char lock[128];

    for (int i = 0; i < 2; i++) {
        ck_assert_ptr_null(fr_store_open(path, 10000000, &error));
        ck_assert_ptr_nonnull(strstr(error.text, "another fleetrouted has it"));
        /* The lock must not depend on a file that can be removed. */
        snprintf(lock, sizeof lock, "%s.lock", path);
        unlink(lock);
        snprintf(lock, sizeof lock, "%s/lock.mdb", path);
        unlink(lock);
    }
}
END_TEST

START_TEST(folder_with_foreign_files_is_rejected)
{
    char foreign[128], file[160];

    snprintf(foreign, sizeof foreign, "%s/photos", folder);
    snprintf(file, sizeof file, "%s/cat.jpg", foreign);
    ck_assert_int_eq(mkdir(foreign, 0700), 0);
    fclose(fopen(file, "w"));
    ck_assert_ptr_null(fr_store_open(foreign, 10000000, &error));
    ck_assert_ptr_nonnull(strstr(error.text, "cat.jpg"));
}
END_TEST

Suite *suite_journal(void)
{
    Suite *suite = suite_create("journal");
    TCase *tests = tcase_create("parts"), *disk = tcase_create("store");

    tcase_add_test(tests, stored_record_reads_back);
    tcase_add_test(tests, long_client_version_reads_back);
    tcase_add_test(tests, duplicates_are_found_within_the_window);
    tcase_add_test(tests, different_payload_is_no_duplicate);
    suite_add_tcase(suite, tests);
    tcase_add_checked_fixture(disk, set_up, tear_down);
    tcase_add_test(disk, order_is_kept_over_a_restart);
    tcase_add_test(disk, aborted_records_are_not_stored);
    tcase_add_test(disk, prune_by_age_and_by_number);
    tcase_add_test(disk, gaps_are_counted_as_missing);
    tcase_add_test(disk, position_beyond_the_end_is_rejected);
    tcase_add_test(disk, seek_finds_times);
    tcase_add_test(disk, store_is_locked_by_one_daemon);
    tcase_add_test(disk, folder_with_foreign_files_is_rejected);
    suite_add_tcase(suite, disk);
    return suite;
}
