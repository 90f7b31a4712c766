/* The journal's parts: stored records, duplicates, the store on disk. */
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "journal/duplicates.h"
#include "journal/journal_store_state.h"
#include "journal/stored_record.h"

#define VIN "5YJ3E1EA7KF000001"
#define RESEND_FIELD 4 /* of Payload: is_resend */

static char folder[64], path[96];
static struct fr_store *store;
static struct fr_error error;

static struct fr_record *make_of(unsigned number, const void *payload, size_t len)
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

    return make_of(number, payload, len);
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

static uint64_t seen[4096];
static size_t seen_count;

static bool see(void *ctx, uint64_t seq, const uint8_t *bytes, size_t len)
{
    struct fr_stored stored;

    (void)ctx;
    ck_assert_int_eq(fr_stored_read(bytes, len, &stored), 0);
    ck_assert_uint_lt(seen_count, 4096);
    seen[seen_count++] = seq;
    return true;
}

/* Returns how many numbers are missing; those deleted from the front are in last_deleted. */
static uint64_t last_deleted;

static uint64_t read_from(uint64_t *next, size_t most, uint64_t end)
{
    struct fr_store_reader *reader = fr_store_reader_new(store, &error);
    struct fr_store_span span = {.next = *next, .end = end};

    seen_count = 0;
    ck_assert_int_ge(fr_store_read(reader, &span, most, see, NULL, &error), 0);
    fr_store_reader_free(reader);
    *next = span.next;
    last_deleted = span.deleted;
    return span.missing;
}

START_TEST(a_record_comes_back)
{
    struct fr_record *record = make(7), *again;
    size_t len = fr_stored_size(record);
    uint8_t *bytes = malloc(len);
    struct fr_stored stored;

    fr_stored_write(record, 5000, bytes);
    ck_assert_int_eq(fr_stored_read(bytes, len, &stored), 0);
    ck_assert_int_eq(stored.appended_ms, 5000);
    again = fr_stored_record(&stored);
    ck_assert_str_eq(again->vin, VIN);
    ck_assert_str_eq(again->topic, "V");
    ck_assert_str_eq(again->txid, "t-7");
    ck_assert_str_eq(again->client_version, "2.1");
    ck_assert_int_eq(again->created_ns, 70);
    ck_assert_uint_eq(again->payload_len, strlen("payload 7"));
    for (size_t i = 0; i < len; i++) { /* no flipped bit passes, nor any shorter text */
        bytes[i] ^= 4;
        ck_assert_int_eq(fr_stored_read(bytes, len, &stored), -1);
        bytes[i] ^= 4;
        ck_assert_int_eq(fr_stored_read(bytes, i, &stored), -1);
    }
    fr_record_unref(record);
    fr_record_unref(again);
    free(bytes);
}
END_TEST

START_TEST(duplicates_within_a_window)
{
    struct fr_duplicates *d = fr_duplicates_new(100);
    struct fr_record *records[300];

    for (unsigned i = 0; i < 300; i++) {
        records[i] = make(i);
        ck_assert(!fr_duplicates_seen(d, records[i]));
        ck_assert(fr_duplicates_seen(d, records[i]));
    }
    for (unsigned i = 200; i < 300; i++)
        ck_assert(fr_duplicates_seen(d, records[i]));
    ck_assert(!fr_duplicates_seen(d, records[0]));   /* long forgotten */
    ck_assert(!fr_duplicates_seen(d, records[200])); /* and it took the place of this one */
    records[250]->created_ns++;                      /* the same txid of another message */
    ck_assert(!fr_duplicates_seen(d, records[250]));
    for (unsigned i = 0; i < 300; i++)
        fr_record_unref(records[i]);
    fr_duplicates_free(d);
}
END_TEST

static bool seen_before(struct fr_duplicates *d, const char *value, bool resend)
{
    static const uint8_t mark[] = {RESEND_FIELD << 3, 1};
    struct fr_buffer payload = {0};
    struct fr_record *record;
    bool before;

    fr_payload_of_one(&payload, VIN, 70, 4, (const uint8_t *)value, strlen(value));
    if (resend)
        fr_buffer_append(&payload, mark, sizeof mark);
    record = make_of(7, payload.bytes, payload.len);
    before = fr_duplicates_seen(d, record);
    fr_record_unref(record);
    fr_buffer_free(&payload);
    return before;
}

START_TEST(another_payload_is_another_message)
{
    struct fr_duplicates *d = fr_duplicates_new(100);

    ck_assert(!seen_before(d, "one", false));
    ck_assert(!seen_before(d, "two", false));
    ck_assert(seen_before(d, "one", false));
    ck_assert(seen_before(d, "two", true)); /* marked as sent again: the same message */
    fr_duplicates_free(d);
}
END_TEST

START_TEST(records_in_order_and_over_a_restart)
{
    uint64_t next = 1;

    append(0, 100, 1000);
    append(100, 50, 2000);
    fr_store_close(store);
    open_store();
    append(150, 10, 3000);
    ck_assert_uint_eq(read_from(&next, SIZE_MAX, 161), 0);
    ck_assert_uint_eq(seen_count, 160);
    ck_assert_uint_eq(seen[0], 1);
    ck_assert_uint_eq(seen[159], 160);
    ck_assert_uint_eq(next, 161);
    ck_assert_uint_eq(last_deleted, 0);
    next = 50;
    read_from(&next, 5, 161);
    ck_assert_uint_eq(seen_count, 5);
    ck_assert_uint_eq(next, 55);
}
END_TEST

START_TEST(what_is_not_committed_never_was)
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

static size_t prune(int64_t before_ms, uint64_t below, uint64_t needed, size_t most)
{
    struct fr_store_old old = {before_ms, below, needed};
    struct fr_store_pruned pruned;

    ck_assert_int_eq(fr_store_prune(store, &old, most, &pruned, &error), 0);
    ck_assert_uint_eq(pruned.end - pruned.first, pruned.count); /* no holes */
    return pruned.count;
}

START_TEST(pruned_by_age_and_by_number)
{
    uint64_t next = 1;

    append(0, 100, 1000);
    append(100, 100, 2000);
    ck_assert_int_eq(fr_store_begin(store, &error), 0);
    ck_assert_uint_eq(prune(9000, 0, 1, 1000), 0); /* however old: it is needed */
    ck_assert_uint_eq(prune(1500, 0, UINT64_MAX, 30), 30);
    ck_assert_uint_eq(prune(9000, 0, 51, 1000), 20);
    ck_assert_uint_eq(prune(1500, 0, UINT64_MAX, 1000), 50);
    ck_assert_uint_eq(prune(0, 111, UINT64_MAX, 1000), 10);
    ck_assert_uint_eq(fr_store_first(store), 111);
    ck_assert_uint_eq(prune(9000, UINT64_MAX, UINT64_MAX, 1000),
                      89); /* the newest stays, so numbers go on growing */
    ck_assert_int_eq(fr_store_commit(store, &error), 0);
    ck_assert_uint_eq(read_from(&next, 10, 201), 0);
    ck_assert_uint_eq(last_deleted, 199);
    fr_store_close(store);
    open_store();
    append(200, 1, 3000);
    next = 200;
    read_from(&next, 10, 202);
    ck_assert_uint_eq(seen[1], 201);
}
END_TEST

/* Change a number of the tree behind the store's back: 0 deletes it. */
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

START_TEST(gaps_are_counted_and_nobody_goes_astray)
{
    uint64_t next = 1;

    append(0, 1000, 1000);
    for (uint64_t seq = 300; seq < 350; seq++)
        renumber(seq, 0);
    ck_assert_uint_eq(read_from(&next, SIZE_MAX, 1001), 50);
    ck_assert_uint_eq(seen_count, 950);
    ck_assert_uint_eq(next, 1001);
    /* The newest ones are gone, and an absurd number is there. */
    renumber(1000, UINT64_C(10000000000000000000));
    renumber(999, 0);
    next = 990;
    ck_assert_uint_eq(read_from(&next, SIZE_MAX, 1001), 2);
    ck_assert_uint_eq(seen_count, 9);
    ck_assert_uint_eq(next, 1001);
    /* In between, and a place in the gap: nothing is found twice. */
    next = 310;
    ck_assert_uint_eq(read_from(&next, 1, 1001), 40);
    ck_assert_uint_eq(seen[0], 350);
    ck_assert_uint_eq(next, 351);
}
END_TEST

START_TEST(no_place_beyond_the_end)
{
    struct fr_store_usage usage = {.first = 10, .next = 20};
    uint64_t seq = 20;

    ck_assert_int_eq(fr_store_place(&usage, &seq, &error), 0);
    ck_assert_uint_eq(seq, 20);
    seq = 21;
    ck_assert_int_eq(fr_store_place(&usage, &seq, &error), -1);
    ck_assert_ptr_nonnull(strstr(error.text, "beyond the end"));
    seq = 3;
    ck_assert_int_eq(fr_store_place(&usage, &seq, &error), 0);
    ck_assert_uint_eq(seq, 10);
}
END_TEST

START_TEST(times_are_found)
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

START_TEST(one_daemon_at_a_time)
{
    char lock[128];

    for (int i = 0; i < 2; i++) {
        ck_assert_ptr_null(fr_store_open(path, 10000000, &error));
        ck_assert_ptr_nonnull(strstr(error.text, "another fleetrouted has it"));
        snprintf(lock, sizeof lock, "%s.lock", path); /* no file that can be removed holds it */
        unlink(lock);
        snprintf(lock, sizeof lock, "%s/lock.mdb", path);
        unlink(lock);
    }
}
END_TEST

START_TEST(a_folder_with_something_else_is_left)
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

    tcase_add_test(tests, a_record_comes_back);
    tcase_add_test(tests, duplicates_within_a_window);
    tcase_add_test(tests, another_payload_is_another_message);
    suite_add_tcase(suite, tests);
    tcase_add_checked_fixture(disk, set_up, tear_down);
    tcase_add_test(disk, records_in_order_and_over_a_restart);
    tcase_add_test(disk, what_is_not_committed_never_was);
    tcase_add_test(disk, pruned_by_age_and_by_number);
    tcase_add_test(disk, gaps_are_counted_and_nobody_goes_astray);
    tcase_add_test(disk, no_place_beyond_the_end);
    tcase_add_test(disk, times_are_found);
    tcase_add_test(disk, one_daemon_at_a_time);
    tcase_add_test(disk, a_folder_with_something_else_is_left);
    suite_add_tcase(suite, disk);
    return suite;
}
