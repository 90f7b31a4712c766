/* Submit with a real journal: the checks of a record, and the reports of stored records. */
#include "unit.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sim/sim_message.h"
#include "source/submit.h"

#define VIN "5YJ3E1EA7KF000001"

static char folder[64], path[96];
static struct fr_journal *journal;
static struct fr_submit *submit;
static struct fr_buffer payload;
static struct fr_error error;
static _Atomic size_t stored;

static void ignore_writable(void *ctx)
{
    (void)ctx;
}

static void on_stored(void *ctx, size_t count)
{
    ck_assert_ptr_eq(ctx, &stored);
    atomic_fetch_add(&stored, count);
}

static struct fr_routing *parse(const char *text)
{
    static const char *const names[] = {"s0"};
    struct fr_diagnostics diagnostics = {0};
    struct fr_routing *routing = fr_routing_parse(text, strlen(text), "r", names, 1, &diagnostics);

    ck_assert_ptr_nonnull(routing);
    fr_diagnostics_free(&diagnostics);
    return routing;
}

static void set_up(void)
{
    struct fr_journal_settings settings = {.path = path,
                                           .size = 10000000,
                                           .retention_ms = 3600000,
                                           .commit_every_ms = 1,
                                           .commit_records = 1000,
                                           .duplicates = 100};
    struct fr_sim_datum datum = {.field = 4, .member = 5, .real = 50};
    struct fr_routing *routing = parse("records: [{type: V, to: s0}]");

    strcpy(folder, "/tmp/fr-unit.XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/journal", folder);
    journal = fr_journal_start(&settings, ignore_writable, NULL, &error);
    ck_assert_msg(journal != NULL, "%s", error.text);
    atomic_store(&stored, 0);
    submit = fr_submit_new(journal, routing, false, on_stored, &stored);
    fr_routing_unref(routing);
    fr_sim_payload(&payload, &datum, 1, VIN, INT64_C(1767225600000000000), false);
}

static void tear_down(void)
{
    char command[96];

    fr_submit_free(submit);
    fr_journal_stop(journal, true);
    fr_journal_free(journal);
    fr_buffer_free(&payload);
    snprintf(command, sizeof command, "rm -r %s", folder);
    ck_assert_int_eq(system(command), 0);
}

static enum fr_submitted put(const char *vin, const char *type, const char *txid)
{
    struct fr_submission submission = {.vin = vin,
                                       .vin_len = strlen(vin),
                                       .record_type = type,
                                       .record_type_len = strlen(type),
                                       .txid = txid,
                                       .txid_len = strlen(txid),
                                       .client_version = "",
                                       .format = FR_FORMAT_PROTOBUF,
                                       .bytes = payload.bytes,
                                       .len = payload.len};

    error.text[0] = '\0';
    return fr_submit_record(submit, &submission, &error);
}

/* Wait up to 10 s until `count` records are reported as stored. */
static void wait_for_stored(size_t count)
{
    for (int i = 0; i < 10000 && atomic_load(&stored) < count; i++)
        usleep(1000);
    ck_assert_uint_eq(atomic_load(&stored), count);
}

START_TEST(stored_records_are_counted)
{
    ck_assert_int_eq(put(VIN, "V", "t1"), FR_SUBMITTED);
    ck_assert_int_eq(put(VIN, "V", "t2"), FR_SUBMITTED);
    fr_submit_flush(submit);
    wait_for_stored(2);
}
END_TEST

START_TEST(a_full_batch_needs_no_flush)
{
    for (int i = 0; i < 256; i++) {
        char txid[16];

        snprintf(txid, sizeof txid, "t%d", i);
        ck_assert_int_eq(put(VIN, "V", txid), FR_SUBMITTED);
    }
    wait_for_stored(256);
}
END_TEST

START_TEST(a_duplicate_counts_as_stored)
{
    ck_assert_int_eq(put(VIN, "V", "t1"), FR_SUBMITTED);
    fr_submit_flush(submit);
    wait_for_stored(1);
    ck_assert_int_eq(put(VIN, "V", "t1"), FR_SUBMITTED);
    fr_submit_flush(submit);
    wait_for_stored(2);
}
END_TEST

START_TEST(bad_records_are_rejected)
{
    char txid[FR_TXID_MAX + 2];

    memset(txid, 't', sizeof txid - 1);
    txid[sizeof txid - 1] = '\0';
    ck_assert_int_eq(put("", "V", "t"), FR_SUBMIT_REJECTED);
    ck_assert_ptr_nonnull(strstr(error.text, "VIN"));
    ck_assert_int_eq(put("a/b", "V", "t"), FR_SUBMIT_REJECTED);
    ck_assert_int_eq(put(VIN, "", "t"), FR_SUBMIT_REJECTED);
    ck_assert_ptr_nonnull(strstr(error.text, "type"));
    ck_assert_int_eq(put(VIN, "a b", "t"), FR_SUBMIT_REJECTED);
    ck_assert_int_eq(put(VIN, "V", txid), FR_SUBMIT_REJECTED);
    fr_buffer_clear(&payload);
    fr_buffer_text(&payload, "\xff\xff");
    ck_assert_int_eq(put(VIN, "V", "t"), FR_SUBMIT_REJECTED);
    ck_assert_str_ne(error.text, "");
}
END_TEST

START_TEST(new_routing_replaces_the_vehicle_list)
{
    struct fr_routing *routing =
        parse("vehicles: [5YJ3E1EA7KF000002]\nrecords: [{type: V, to: s0}]");

    ck_assert_int_eq(put(VIN, "V", "t1"), FR_SUBMITTED);
    fr_submit_set_routing(submit, routing);
    fr_routing_unref(routing);
    ck_assert_int_eq(put(VIN, "V", "t2"), FR_SUBMIT_REJECTED);
    ck_assert_ptr_nonnull(strstr(error.text, "vehicles:"));
    ck_assert_int_eq(put("5YJ3E1EA7KF000002", "V", "t3"), FR_SUBMITTED);
    fr_submit_flush(submit);
    wait_for_stored(2);
}
END_TEST

START_TEST(free_flushes_and_stops_the_reports)
{
    ck_assert_int_eq(put(VIN, "V", "t1"), FR_SUBMITTED);
    fr_submit_free(submit);
    submit = NULL;
    ck_assert(fr_journal_flush(journal, 10000));
    ck_assert_uint_le(atomic_load(&stored), 1);
}
END_TEST

Suite *suite_submit(void)
{
    Suite *suite = suite_create("submit");
    TCase *tests = tcase_create("submit");

    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, stored_records_are_counted);
    tcase_add_test(tests, a_full_batch_needs_no_flush);
    tcase_add_test(tests, a_duplicate_counts_as_stored);
    tcase_add_test(tests, bad_records_are_rejected);
    tcase_add_test(tests, new_routing_replaces_the_vehicle_list);
    tcase_add_test(tests, free_flushes_and_stops_the_reports);
    suite_add_tcase(suite, tests);
    return suite;
}
