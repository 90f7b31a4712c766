/* The presence of a source with a real journal: which records become statements, and which records the
 * journal gets. */
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "record/presence_origin.h"
#include "record/wire_write.h"
#include "source/source_presence.h"

#define VIN "5YJ3E1EA7KF000001"
#define HOLD_MS 3000
#define CONNECTED 1
#define DISCONNECTED 2

static char folder[64], path[96];
static struct fr_journal *journal;
static struct fr_submit *submit;
static struct fr_source_presence *presence;
static struct fr_error error;

static void ignore_writable(void *ctx)
{
    (void)ctx;
}

static void ignore_stored(void *ctx, size_t count)
{
    (void)ctx, (void)count;
}

static void make_presence(bool from_connectivity)
{
    static const char text[] = "vehicles: [" VIN "]\nrecords: [{type: \"*\", to: s0}]";
    static const char *const names[] = {"s0"};
    struct fr_diagnostics diagnostics = {0};
    struct fr_routing *routing = fr_routing_parse(text, strlen(text), "r", names, 1, &diagnostics);

    ck_assert_ptr_nonnull(routing);
    fr_diagnostics_free(&diagnostics);
    fr_submit_free(submit);
    fr_source_presence_free(presence);
    submit = fr_submit_new(journal, routing, false, ignore_stored, NULL);
    presence = fr_source_presence_new("cars", journal, routing, HOLD_MS, from_connectivity);
    fr_routing_unref(routing);
}

static void set_up(void)
{
    struct fr_journal_settings settings = {.path = path,
                                           .size = 10000000,
                                           .retention_ms = 3600000,
                                           .commit_every_ms = 1,
                                           .commit_records = 1000,
                                           .duplicates = 100};

    strcpy(folder, "/tmp/fr-unit.XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/journal", folder);
    journal = fr_journal_start(&settings, ignore_writable, NULL, &error);
    ck_assert_msg(journal != NULL, "%s", error.text);
    submit = NULL;
    presence = NULL;
    make_presence(false);
}

static void tear_down(void)
{
    char command[96];

    fr_source_presence_free(presence);
    fr_submit_free(submit);
    fr_journal_stop(journal, true);
    fr_journal_free(journal);
    snprintf(command, sizeof command, "rm -r %s", folder);
    ck_assert_int_eq(system(command), 0);
}

static enum fr_submitted put(const char *vin, const char *type, const char *txid,
                             const char *connection, unsigned status, uint32_t flags)
{
    struct fr_buffer payload = {0};
    struct fr_submission s = {.size = sizeof s,
                              .vin = vin,
                              .vin_len = strlen(vin),
                              .record_type = type,
                              .record_type_len = strlen(type),
                              .txid = txid,
                              .txid_len = strlen(txid),
                              .client_version = "",
                              .format = FR_FORMAT_PROTOBUF,
                              .flags = flags};
    enum fr_submitted outcome;

    fr_put_bytes(&payload, 2, connection, strlen(connection));
    fr_put_number(&payload, 3, status);
    fr_put_time(&payload, 4, INT64_C(1764426185000000000));
    s.bytes = payload.bytes;
    s.len = payload.len;
    outcome = fr_source_presence_submit(presence, submit, &s, &error);
    fr_submit_flush(submit);
    fr_buffer_free(&payload);
    return outcome;
}

static bool every_record(void *ctx, enum fr_record_type type, const char *topic)
{
    (void)ctx, (void)type, (void)topic;
    return true;
}

/* The records of the journal as text: "presence 1 relayed, connectivity 2, ". */
static const char *journal_text(void)
{
    static char text[512];
    struct fr_presence_origin origin;
    struct fr_record *records[64];
    struct fr_cursor *cursor;
    uint64_t next = 1;
    size_t len = 0;
    int count;

    ck_assert(fr_journal_flush(journal, 10000));
    cursor = fr_cursor_open(journal, "test", true, ignore_writable, NULL, &error);
    ck_assert_ptr_nonnull(cursor);
    count = fr_cursor_read(cursor, &next, records, 64, every_record, NULL, &error);
    text[0] = '\0';
    for (int i = 0; i < count; i++) {
        struct fr_wire wire = fr_wire_over(records[i]->payload, records[i]->payload_len);
        struct fr_wire_field f = {0};
        unsigned status = 0;

        ck_assert_str_eq(records[i]->vin, VIN);
        ck_assert(strcmp(records[i]->topic, "presence") != 0 ||
                  !fr_presence_origin_read(records[i]->txid, records[i]->txid_len, &origin));
        while (fr_wire_next(&wire, &f) > 0)
            if (f.number == 3)
                status = (unsigned)f.varint;
        len += (size_t)snprintf(
            text + len, sizeof text - len, "%s %u%s, ", records[i]->topic, status,
            fr_presence_is_relayed(records[i]->payload, records[i]->payload_len) ? " relayed" : "");
        fr_record_unref(records[i]);
    }
    fr_cursor_close(cursor);
    return text;
}

static void pass(int seconds)
{
    static int64_t now_ms = 1000000;

    for (int i = 0; i < 2 * seconds; i++)
        fr_source_presence_up_to_date(presence, now_ms += 500);
}

START_TEST(presence_without_a_front_end_passes)
{
    ck_assert_int_eq(put(VIN, "presence", "t1", "", CONNECTED, 0), FR_SUBMITTED);
    ck_assert_int_eq(put(VIN, "connectivity", "t2", "c", CONNECTED, 0), FR_SUBMITTED);
    ck_assert_int_eq(put(VIN, "presence", "t3", "", DISCONNECTED, 0), FR_SUBMITTED);
    ck_assert_str_eq(journal_text(), "presence 1 relayed, connectivity 1, presence 2 relayed, ");
}
END_TEST

START_TEST(statements_are_replaced_by_what_follows_from_them)
{
    ck_assert_int_eq(put(VIN, "presence", "front-end/a/1/1/60000", "", CONNECTED, 0),
                     FR_SUBMIT_REJECTED);
    ck_assert_str_eq(error.text, "");
    put(VIN, "presence", "front-end/b/1/1/60000", "", CONNECTED, 0);
    put(VIN, "presence", "front-end/a/1/2/60000", "", DISCONNECTED, 0);
    pass(10);
    ck_assert_str_eq(journal_text(), "presence 1 relayed, ");
    put(VIN, "presence", "front-end/b/1/2/60000", "", DISCONNECTED, 0);
    pass(HOLD_MS / 1000 + 1);
    ck_assert_str_eq(journal_text(), "presence 1 relayed, presence 2 relayed, ");
}
END_TEST

START_TEST(an_outage_ends_no_lease)
{
    put(VIN, "presence", "front-end/a/1/1/60000", "", CONNECTED, 0);
    pass(1);
    for (int i = 0; i < 20; i++) /* up to date again after 10 minutes each */
        fr_source_presence_up_to_date(presence, 2000000 + i * INT64_C(600000));
    ck_assert_str_eq(journal_text(), "presence 1 relayed, ");
}
END_TEST

START_TEST(history_is_not_stored)
{
    ck_assert_int_eq(put(VIN, "presence", "t1", "", CONNECTED, FR_SUBMISSION_HISTORY),
                     FR_SUBMIT_REJECTED);
    ck_assert_int_eq(put(VIN, "connectivity", "t2", "c", CONNECTED, FR_SUBMISSION_HISTORY),
                     FR_SUBMIT_REJECTED);
    ck_assert_int_eq(
        put(VIN, "presence", "front-end/b/1/1/60000", "", CONNECTED, FR_SUBMISSION_HISTORY),
        FR_SUBMIT_REJECTED);
    ck_assert_str_eq(error.text, "");
    put(VIN, "presence", "front-end/a/1/2/60000", "", DISCONNECTED, 0);
    pass(10);
    ck_assert_str_eq(journal_text(), ""); /* b has it */
    fr_source_presence_drop_part(presence, 0);
    put(VIN, "presence", "front-end/a/1/3/60000", "", DISCONNECTED, 0);
    pass(10);
    ck_assert_str_eq(journal_text(), "presence 2 relayed, ");
}
END_TEST

START_TEST(connectivity_of_teslas_server)
{
    put(VIN, "connectivity", "c1", "c1", CONNECTED, 0);
    pass(10);
    ck_assert_str_eq(journal_text(), "connectivity 1, ");
    make_presence(true);
    ck_assert_int_eq(put(VIN, "connectivity", "c2", "c2", CONNECTED, 0), FR_SUBMITTED);
    ck_assert_int_eq(put(VIN, "connectivity", "c3", "c3", CONNECTED, 0), FR_SUBMITTED);
    put(VIN, "connectivity", "c2-", "c2", DISCONNECTED, 0);
    /* A front-end of fleetroute beside it. */
    put(VIN, "connectivity", "front-end/a/1/1/60000", "d", CONNECTED, 0);
    put(VIN, "presence", "front-end/a/1/2/60000", "", CONNECTED, 0);
    put(VIN, "connectivity", "c3-", "c3", DISCONNECTED, 0);
    put(VIN, "connectivity", "front-end/a/1/3/60000", "d", DISCONNECTED, 0);
    pass(10);
    ck_assert_str_eq(journal_text(),
                     "connectivity 1, connectivity 1, presence 1 relayed, connectivity 1, "
                     "connectivity 2, connectivity 1, connectivity 2, connectivity 2, ");
}
END_TEST

START_TEST(statements_are_checked)
{
    ck_assert_int_eq(put("STRANGER", "presence", "front-end/a/1/1/60000", "", CONNECTED, 0),
                     FR_SUBMIT_REJECTED);
    ck_assert_ptr_nonnull(strstr(error.text, "vehicles:"));
    ck_assert_int_eq(put("a/b", "presence", "front-end/a/1/1/60000", "", CONNECTED, 0),
                     FR_SUBMIT_REJECTED);
    ck_assert_ptr_nonnull(strstr(error.text, "VIN"));
    put(VIN, "presence", "front-end/a/1/1/60000", "", 0, 0); /* neither connected nor away */
    put(VIN, "presence", "front-end/a/1/2/60000", "", 77, 0);
    pass(70);
    ck_assert_str_eq(journal_text(), "");
}
END_TEST

Suite *suite_source_presence(void)
{
    Suite *suite = suite_create("source_presence");
    TCase *tests = tcase_create("source_presence");

    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, presence_without_a_front_end_passes);
    tcase_add_test(tests, statements_are_replaced_by_what_follows_from_them);
    tcase_add_test(tests, an_outage_ends_no_lease);
    tcase_add_test(tests, history_is_not_stored);
    tcase_add_test(tests, connectivity_of_teslas_server);
    tcase_add_test(tests, statements_are_checked);
    suite_add_tcase(suite, tests);
    return suite;
}
