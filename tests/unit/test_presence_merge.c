/* The presence of vehicles merged over front-ends. The tests pass the time as an argument; away is
 * held for 10 s, leases are 60 s. */
#include "unit.h"

#include <stdio.h>
#include <string.h>

#include "record/presence_origin.h"
#include "source/presence_merge.h"

#define VIN "5YJ3E1EA7KF000001"
#define HOLD 10000
#define LEASE 60000
#define VEHICLES_MAX 1000
#define SECOND_NS INT64_C(1000000000)
#define WALL_NS (1000 * SECOND_NS)

static struct fr_presence_merge *merge;
static struct fr_merge_result result;
static unsigned away_count, expired_count;
static bool refuse_away;
static char away_vin[FR_VIN_MAX + 1];
static int64_t away_ns;

static bool on_away(void *ctx, const char *vin, int64_t created_ns, bool expired)
{
    (void)ctx;
    if (refuse_away)
        return false;
    away_count++;
    expired_count += expired;
    strcpy(away_vin, vin);
    away_ns = created_ns;
    return true;
}

static void set_up(void)
{
    merge = fr_presence_merge_new(HOLD, VEHICLES_MAX);
    away_count = expired_count = 0;
    refuse_away = false;
}

static void tear_down(void)
{
    fr_presence_merge_free(merge);
}

/* Advance in steps as a source does. */
static void pass(int64_t ms)
{
    for (; ms > 0; ms -= 500)
        fr_presence_merge_advance(merge, 500, WALL_NS, on_away, NULL);
}

static enum fr_merge_verdict enter(const struct fr_merge_statement *statement)
{
    return fr_presence_merge_state(merge, statement, &result);
}

static struct fr_merge_statement statement(const char *front_end, uint64_t sequence, bool connected)
{
    return (struct fr_merge_statement){.vin = VIN,
                                       .claimant = front_end,
                                       .claimant_len = strlen(front_end),
                                       .instance = 1,
                                       .sequence = sequence,
                                       .lease_ms = LEASE,
                                       .connected = connected,
                                       .created_ns = (int64_t)sequence * SECOND_NS};
}

static enum fr_merge_verdict connected(const char *front_end, uint64_t sequence)
{
    struct fr_merge_statement s = statement(front_end, sequence, true);

    return enter(&s);
}

static enum fr_merge_verdict away(const char *front_end, uint64_t sequence)
{
    struct fr_merge_statement s = statement(front_end, sequence, false);

    return enter(&s);
}

static enum fr_merge_verdict tesla(const char *connection, bool is_open)
{
    struct fr_merge_statement s = statement(connection, is_open ? 1 : 2, is_open);

    s.instance = 0;
    s.lease_ms = 0;
    return enter(&s);
}

START_TEST(one_front_end)
{
    ck_assert_int_eq(connected("a", 1), FR_MERGE_CONNECTED);
    ck_assert_int_eq(result.created_ns, SECOND_NS);
    ck_assert_int_eq(connected("a", 2), FR_MERGE_NOTHING); /* stated again */
    ck_assert_int_eq(away("a", 3), FR_MERGE_NOTHING);
    pass(HOLD - 500);
    ck_assert_uint_eq(away_count, 0);
    pass(1500);
    ck_assert_uint_eq(away_count, 1);
    ck_assert_uint_eq(expired_count, 0);
    ck_assert_str_eq(away_vin, VIN);
    ck_assert_int_eq(away_ns, 3 * SECOND_NS);
    pass(2 * LEASE);
    ck_assert_uint_eq(away_count, 1);
    ck_assert_int_eq(connected("a", 4), FR_MERGE_CONNECTED);
}
END_TEST

START_TEST(a_move_is_not_away)
{
    connected("a", 1);
    ck_assert_int_eq(connected("b", 2), FR_MERGE_NOTHING);
    ck_assert_int_eq(away("a", 3), FR_MERGE_SUPPRESSED);
    pass(LEASE / 2);
    ck_assert_uint_eq(away_count, 0);
    /* And back, with the end at b last. */
    connected("a", 4);
    ck_assert_int_eq(away("b", 5), FR_MERGE_SUPPRESSED);
    ck_assert_int_eq(away("a", 6), FR_MERGE_NOTHING);
    pass(HOLD + 1000);
    ck_assert_uint_eq(away_count, 1);
}
END_TEST

START_TEST(away_before_the_delayed_connected)
{
    connected("a", 1);
    away("a", 3);
    pass(HOLD / 2);
    ck_assert_int_eq(connected("b", 2), FR_MERGE_NOTHING); /* it is still published as connected */
    pass(2 * HOLD);
    ck_assert_uint_eq(away_count, 0);
}
END_TEST

START_TEST(repeated_statements_change_nothing)
{
    connected("a", 1);
    away("a", 2);
    ck_assert_int_eq(connected("a", 1), FR_MERGE_NOTHING);
    ck_assert_int_eq(away("a", 2), FR_MERGE_NOTHING);
    pass(HOLD + 1000);
    ck_assert_uint_eq(away_count, 1);
    ck_assert_int_eq(connected("a", 1), FR_MERGE_NOTHING);
    ck_assert_int_eq(away("a", 2), FR_MERGE_NOTHING);
    pass(HOLD + 1000);
    ck_assert_uint_eq(away_count, 1);
}
END_TEST

START_TEST(a_lost_front_end)
{
    connected("a", 1);
    connected("b", 2);
    away("b", 3);
    pass(LEASE - 1000);
    ck_assert_uint_eq(away_count, 0);
    pass(2000);
    ck_assert_uint_eq(away_count, 1);
    ck_assert_uint_eq(expired_count, 1);
    ck_assert_int_eq(away_ns, WALL_NS);
    ck_assert_int_eq(connected("a", 4), FR_MERGE_CONNECTED); /* it was only slow */
    ck_assert_int_gt(result.created_ns, WALL_NS);            /* published times grow */
}
END_TEST

START_TEST(statements_renew_the_lease)
{
    for (uint64_t i = 1; i < 50; i++) {
        connected("a", i);
        pass(LEASE / 3);
    }
    ck_assert_uint_eq(away_count, 0);
}
END_TEST

START_TEST(a_restarted_front_end)
{
    struct fr_merge_statement s = statement("a", 1, false);

    connected("a", 1000);
    s.instance = 2; /* its sequence begins anew */
    ck_assert_int_eq(enter(&s), FR_MERGE_NOTHING);
    ck_assert(!result.older_instance);
    pass(HOLD + 1000);
    ck_assert_uint_eq(away_count, 1);
    connected("a", 2000);
    ck_assert(result.older_instance); /* two of the same name, in turn */
}
END_TEST

START_TEST(another_consumer_takes_the_part)
{
    struct fr_merge_statement s = statement("b", 2, true);

    connected("a", 1);
    away("a", 2);
    fr_presence_merge_drop_part(merge, 0);
    pass(2 * LEASE);
    ck_assert_uint_eq(away_count, 0); /* the other consumer publishes it */
    ck_assert_uint_eq(fr_presence_merge_count(merge), 0);

    /* It gets the part back: what was published before is history. */
    s.history = true;
    ck_assert_int_eq(enter(&s), FR_MERGE_NOTHING);
    ck_assert_int_eq(away("a", 2), FR_MERGE_SUPPRESSED);
    ck_assert_int_eq(connected("b", 3),
                     FR_MERGE_CONNECTED); /* once again, with the next statement */
    ck_assert_int_eq(connected("b", 4), FR_MERGE_NOTHING);
}
END_TEST

START_TEST(history_ends_with_away)
{
    struct fr_merge_statement s = statement("a", 1, true);

    s.history = true;
    enter(&s);
    s = statement("a", 2, false);
    s.history = true;
    ck_assert_int_eq(enter(&s), FR_MERGE_NOTHING);
    pass(HOLD + 1000);
    ck_assert_uint_eq(away_count, 1); /* the earlier consumer may have ended before it was due */
}
END_TEST

START_TEST(a_full_journal_delays_away)
{
    connected("a", 1);
    away("a", 2);
    refuse_away = true;
    pass(2 * HOLD);
    refuse_away = false;
    pass(1000);
    ck_assert_uint_eq(away_count, 1);
    ck_assert_int_eq(away_ns, 2 * SECOND_NS);
}
END_TEST

START_TEST(clocks_of_front_ends_differ)
{
    struct fr_merge_statement s = statement("b", 1, true);

    connected("a", 100);
    away("a", 200);
    pass(HOLD + 1000);
    ck_assert_int_eq(away_ns, 200 * SECOND_NS);
    s.created_ns = 150 * SECOND_NS; /* later, by a clock that is 2 minutes slow */
    ck_assert_int_eq(enter(&s), FR_MERGE_CONNECTED);
    ck_assert_int_gt(result.created_ns, 200 * SECOND_NS);
}
END_TEST

START_TEST(teslas_connections)
{
    ck_assert_int_eq(tesla("c1", true), FR_MERGE_CONNECTED);
    ck_assert_int_eq(tesla("c2", true), FR_MERGE_NOTHING);
    ck_assert_int_eq(tesla("c1", false), FR_MERGE_SUPPRESSED);
    ck_assert_int_eq(tesla("c1", true), FR_MERGE_NOTHING); /* repeated */
    pass(24 * 3600 * 1000);                                /* the newest connection has no lease */
    ck_assert_uint_eq(away_count, 0);
    tesla("c2", false);
    pass(HOLD + 1000);
    ck_assert_uint_eq(away_count, 1);
    /* A server crashed and never reported the end of c3. */
    tesla("c3", true);
    tesla("c4", true);
    tesla("c4", false);
    pass(3600 * 1000 - 1000);
    ck_assert_uint_eq(away_count, 1);
    pass(2000);
    ck_assert_uint_eq(away_count, 2);
}
END_TEST

START_TEST(more_front_ends_than_places)
{
    char name[16];

    for (uint64_t i = 1; i <= 100; i++) {
        snprintf(name, sizeof name, "f%u", (unsigned)i);
        connected(name, i);
        pass(500);
    }
    ck_assert_int_eq(away("f1", 101), FR_MERGE_SUPPRESSED);
    ck_assert_int_eq(away("f100", 102), FR_MERGE_SUPPRESSED);
    pass(LEASE + 1000);
    ck_assert_uint_eq(away_count, 1);
}
END_TEST

START_TEST(vehicles_are_removed_after_a_while)
{
    struct fr_merge_statement s = statement("a", 1, true);
    char vin[16];

    for (int i = 0; i < 1000; i++) {
        snprintf(vin, sizeof vin, "V%d", i);
        s.vin = vin;
        s.connected = true;
        s.sequence = 1;
        ck_assert_int_eq(enter(&s), FR_MERGE_CONNECTED);
        s.connected = false;
        s.sequence = 2;
        enter(&s);
    }
    ck_assert_uint_eq(fr_presence_merge_count(merge), 1000);
    pass(HOLD + 1000);
    ck_assert_uint_eq(away_count, 1000);
    pass(20 * 60 * 1000);
    ck_assert_uint_eq(fr_presence_merge_count(merge), 0);
}
END_TEST

START_TEST(the_table_has_a_bound)
{
    struct fr_merge_statement s = statement("a", 1, true);
    char vin[16];

    s.vin = vin;
    for (int i = 0; i < VEHICLES_MAX; i++) {
        snprintf(vin, sizeof vin, "V%d", i);
        enter(&s);
    }
    strcpy(vin, "ONE-MORE");
    ck_assert_int_eq(enter(&s), FR_MERGE_FULL);
    strcpy(vin, "V0");
    s.sequence = 2;
    ck_assert_int_eq(enter(&s), FR_MERGE_NOTHING);
}
END_TEST

/* ---- the origin in the txid ------------------------------------------------------ */

static bool reads(const char *text, struct fr_presence_origin *origin)
{
    return fr_presence_origin_read(text, strlen(text), origin);
}

START_TEST(an_origin_reads_back)
{
    struct fr_presence_origin origin = {"host-a.example_1", 1764426185123, 42, 300000}, back;
    char text[FR_PRESENCE_ORIGIN_MAX];
    size_t len = fr_presence_origin_write(&origin, text);

    ck_assert_str_eq(text, "front-end/host-a.example_1/1764426185123/42/300000");
    ck_assert(fr_presence_origin_read(text, len, &back));
    ck_assert_str_eq(back.front_end, origin.front_end);
    ck_assert_uint_eq(back.instance, origin.instance);
    ck_assert_uint_eq(back.sequence, origin.sequence);
    ck_assert_int_eq(back.lease_ms, origin.lease_ms);
    for (size_t i = 0; i < strlen("front-end/host-a.example_1/1764426185123/42/") + 1; i++)
        ck_assert(!fr_presence_origin_read(text, i, &back));
}
END_TEST

START_TEST(other_txids_are_no_origin)
{
    static const char *const texts[] = {"",
                                        "2c3b5c3e-9a3f-4b5e-8f6a-1d2e3f4a5b6c",
                                        "front-end/",
                                        "front-end//1/1/60000",
                                        "front-end/a b/1/1/60000",
                                        "front-end/a/1/1",
                                        "front-end/a/1/1/",
                                        "front-end/a/1/1/60000/",
                                        "front-end/a/1/-1/60000",
                                        "front-end/a/1/1/0",
                                        "front-end/a/1/1/2999",
                                        "front-end/a/1/1/900001",
                                        "front-end/a/1/1234567890123456789/60000",
                                        "front-end/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa/1/1/60000",
                                        "Front-end/a/1/1/60000"};
    struct fr_presence_origin origin;

    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        ck_assert_msg(!reads(texts[i], &origin), "%s", texts[i]);
    ck_assert(reads("front-end/a/1/1/900000", &origin));
}
END_TEST

START_TEST(the_longest_origin_fits)
{
    struct fr_presence_origin origin = {"", UINT64_MAX, UINT64_MAX, INT64_MAX};
    char text[FR_PRESENCE_ORIGIN_MAX];

    memset(origin.front_end, 'a', FR_FRONT_END_NAME_MAX);
    ck_assert_uint_lt(fr_presence_origin_write(&origin, text), FR_PRESENCE_ORIGIN_MAX);
}
END_TEST

Suite *suite_presence_merge(void)
{
    Suite *suite = suite_create("presence_merge");
    TCase *tcase = tcase_create("presence_merge");

    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, one_front_end);
    tcase_add_test(tcase, a_move_is_not_away);
    tcase_add_test(tcase, away_before_the_delayed_connected);
    tcase_add_test(tcase, repeated_statements_change_nothing);
    tcase_add_test(tcase, a_lost_front_end);
    tcase_add_test(tcase, statements_renew_the_lease);
    tcase_add_test(tcase, a_restarted_front_end);
    tcase_add_test(tcase, another_consumer_takes_the_part);
    tcase_add_test(tcase, history_ends_with_away);
    tcase_add_test(tcase, a_full_journal_delays_away);
    tcase_add_test(tcase, clocks_of_front_ends_differ);
    tcase_add_test(tcase, teslas_connections);
    tcase_add_test(tcase, more_front_ends_than_places);
    tcase_add_test(tcase, vehicles_are_removed_after_a_while);
    tcase_add_test(tcase, the_table_has_a_bound);
    tcase_add_test(tcase, an_origin_reads_back);
    tcase_add_test(tcase, other_txids_are_no_origin);
    tcase_add_test(tcase, the_longest_origin_fits);
    suite_add_tcase(suite, tcase);
    return suite;
}
