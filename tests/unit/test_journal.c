/* The journal's parts: stored records, duplicates, the store on disk. */
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "journal/duplicates.h"
#include "journal/journal_store_state.h"
#include "journal/stored_record.h"

#define VIN "5YJ3E1EA7KF000001"

static char folder[64], path[96];
static struct fr_store *store;
static struct fr_error error;

static struct fr_record *make(unsigned number)
{
    char txid[32], payload[64];
    struct fr_record_source source = {.vin = VIN,
                                      .topic = (const uint8_t *)"V",
                                      .topic_len = 1,
                                      .txid = (const uint8_t *)txid,
                                      .client_version = "2.1",
                                      .payload = (const uint8_t *)payload,
                                      .received_ms = 1000 + number};

    source.txid_len = (size_t)snprintf(txid, sizeof txid, "t-%u", number);
    source.payload_len = (size_t)snprintf(payload, sizeof payload, "payload %u", number);
    return fr_record_known(&source, number * 10, false);
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
    size_t pruned;

    ck_assert_int_eq(fr_store_prune(store, &old, most, &pruned, &error), 0);
    return pruned;
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

static size_t values_seen;
static int64_t value_created;

static bool see_value(void *ctx, const struct fr_last_value *value)
{
    (void)ctx;
    values_seen++;
    value_created = value->created_ns;
    return true;
}

START_TEST(the_newest_value_stays)
{
    struct fr_last_value value = {.vin = VIN, .field = 4, .bytes = (const uint8_t *)"x", .len = 1};
    const int64_t created[] = {100, 50, 200, 150};
    struct fr_store_reader *reader;

    ck_assert_int_eq(fr_store_begin(store, &error), 0);
    for (size_t i = 0; i < 4; i++) {
        value.created_ns = created[i];
        ck_assert_int_eq(fr_store_put_value(store, &value, &error), 0);
    }
    value.field = 5;
    strcpy(value.vin, VIN "0");
    ck_assert_int_eq(fr_store_put_value(store, &value, &error), 0);
    ck_assert_int_eq(fr_store_commit(store, &error), 0);
    reader = fr_store_reader_new(store, &error);
    values_seen = 0;
    ck_assert_int_eq(fr_store_values(reader, VIN, see_value, NULL, &error), 0);
    ck_assert_uint_eq(values_seen, 1);
    ck_assert_int_eq(value_created, 200);
    ck_assert_int_eq(fr_store_values(reader, NULL, see_value, NULL, &error), 0);
    ck_assert_uint_eq(values_seen, 3);
    fr_store_reader_free(reader);
}
END_TEST

START_TEST(one_daemon_at_a_time)
{
    ck_assert_ptr_null(fr_store_open(path, 10000000, &error));
    ck_assert_ptr_nonnull(strstr(error.text, "another fleetrouted has it"));
}
END_TEST

Suite *suite_journal(void)
{
    Suite *suite = suite_create("journal");
    TCase *tests = tcase_create("parts"), *disk = tcase_create("store");

    tcase_add_test(tests, a_record_comes_back);
    tcase_add_test(tests, duplicates_within_a_window);
    suite_add_tcase(suite, tests);
    tcase_add_checked_fixture(disk, set_up, tear_down);
    tcase_add_test(disk, records_in_order_and_over_a_restart);
    tcase_add_test(disk, what_is_not_committed_never_was);
    tcase_add_test(disk, pruned_by_age_and_by_number);
    tcase_add_test(disk, gaps_are_counted_and_nobody_goes_astray);
    tcase_add_test(disk, no_place_beyond_the_end);
    tcase_add_test(disk, times_are_found);
    tcase_add_test(disk, the_newest_value_stays);
    tcase_add_test(disk, one_daemon_at_a_time);
    suite_add_tcase(suite, disk);
    return suite;
}
