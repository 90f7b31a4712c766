/* The order of waiting handshakes, and the busy periods that are reported. */
#include "unit.h"

#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "ingest/admission.h"
#include "ingest/handshake_queue.h"
#include "util/clock.h"

#define COUNT 12

static struct fr_worker worker;
static struct fr_connection connections[COUNT];
static int fd;

static void on_ready(evutil_socket_t ready, short events, void *ctx)
{
    (void)ready, (void)events, (void)ctx;
}

/* The first `fresh` connections have not begun their handshake, the others have. */
static void set_up(size_t fresh)
{
    memset(&worker, 0, sizeof worker);
    memset(connections, 0, sizeof connections);
    fd = eventfd(0, EFD_CLOEXEC);
    worker.base = event_base_new();
    worker.connection_ready = on_ready;
    for (size_t i = 0; i < COUNT; i++) {
        connections[i].worker = &worker;
        connections[i].fd = fd;
        if (i >= fresh)
            connections[i].tls.ssl = (SSL *)(void *)&connections[i];
    }
}

static void tear_down(void)
{
    for (size_t i = 0; i < COUNT; i++) {
        fr_handshake_queue_remove(&connections[i]);
        if (connections[i].reading)
            event_del(&connections[i].event);
    }
    ck_assert(fr_handshake_queue_is_empty(&worker));
    event_base_free(worker.base);
    close(fd);
}

/* The index of the next connection; -1: none. */
static int take(void)
{
    struct fr_connection *c = fr_handshake_queue_take(&worker);

    return c != NULL ? (int)(c - connections) : -1;
}

START_TEST(handshakes_that_have_begun_come_first)
{
    set_up(3);
    ck_assert_int_eq(take(), -1);
    for (int i = 0; i < 5; i++)
        fr_handshake_queue_add(&connections[i]);
    fr_handshake_queue_add(&connections[0]); /* no effect */
    ck_assert_uint_eq(fr_handshake_queue_count(&worker), 5);
    ck_assert(!connections[3].reading);
    ck_assert_int_eq(take(), 3);
    ck_assert(connections[3].reading);
    ck_assert_int_eq(take(), 4);
    ck_assert_int_eq(take(), 0);
    fr_handshake_queue_remove(&connections[1]);
    fr_handshake_queue_add(&connections[3]); /* again: it had only a part of its message */
    ck_assert_int_eq(take(), 3);
    ck_assert_int_eq(take(), 2);
    ck_assert_int_eq(take(), -1);
    tear_down();
}
END_TEST

START_TEST(fresh_handshakes_are_not_starved)
{
    set_up(2);
    for (int i = 0; i < COUNT; i++)
        fr_handshake_queue_add(&connections[i]);
    for (int fresh = 0; fresh < 2; fresh++) {
        for (int i = 0; i < FR_HANDSHAKE_BEGUN_MAX; i++)
            ck_assert_int_eq(take(), 2 + fresh * FR_HANDSHAKE_BEGUN_MAX + i);
        ck_assert_int_eq(take(), fresh);
    }
    tear_down();
}
END_TEST

START_TEST(time_in_the_queue_moves_the_deadline)
{
    int64_t now = fr_monotonic_ms();

    set_up(COUNT);
    connections[0].deadline_ms = now + 100;
    fr_handshake_queue_add(&connections[0]);
    connections[0].queued_ms -= 5000;
    fr_handshake_queue_add(&connections[1]);
    ck_assert_int_ge(fr_handshake_queue_wait_ms(&worker, fr_monotonic_ms()), 5000);
    ck_assert_int_eq(take(), 0);
    ck_assert_int_ge(connections[0].deadline_ms, now + 5100);
    ck_assert_int_ge(connections[0].waited_ms, 5000);
    fr_handshake_queue_add(&connections[0]);
    connections[0].queued_ms -= 3000;
    ck_assert_int_eq(take(), 1);
    ck_assert_int_eq(take(), 0);
    ck_assert_int_ge(connections[0].deadline_ms, now + 8100);
    ck_assert_int_ge(connections[0].waited_ms, 8000);
    ck_assert_int_eq(fr_handshake_queue_wait_ms(&worker, fr_monotonic_ms()), 0);
    tear_down();
}
END_TEST

START_TEST(busy_period_begins_and_ends_once)
{
    struct fr_busy_period p = {0};
    struct fr_handshakes_waiting w = {.queued = 500, .longest_ms = FR_ADMISSION_BUSY_MS - 1};

    ck_assert_int_eq(fr_admission_update(&p, &w, 9000), FR_ADMISSION_UNCHANGED);
    w = (struct fr_handshakes_waiting){.queued = 500, .in_kernel = 2000, .longest_ms = 1500};
    ck_assert_int_eq(fr_admission_update(&p, &w, 10000), FR_ADMISSION_BEGINS);
    ck_assert_int_eq(p.since_ms, 8500);
    w.in_kernel = 3700;
    w.longest_ms = 6000;
    ck_assert_int_eq(fr_admission_update(&p, &w, 11000), FR_ADMISSION_UNCHANGED);
    w = (struct fr_handshakes_waiting){.longest_ms = 20};
    ck_assert_int_eq(fr_admission_update(&p, &w, 12000), FR_ADMISSION_UNCHANGED);
    w.longest_ms = FR_ADMISSION_BUSY_MS; /* waits again before the end */
    ck_assert_int_eq(fr_admission_update(&p, &w, 13900), FR_ADMISSION_UNCHANGED);
    w.longest_ms = 0;
    ck_assert_int_eq(fr_admission_update(&p, &w, 14000), FR_ADMISSION_UNCHANGED);
    ck_assert_int_eq(fr_admission_update(&p, &w, 14000 + FR_ADMISSION_CALM_MS - 1),
                     FR_ADMISSION_UNCHANGED);
    ck_assert_int_eq(fr_admission_update(&p, &w, 14000 + FR_ADMISSION_CALM_MS), FR_ADMISSION_ENDS);
    ck_assert_uint_eq(p.max_waiting, 4200);
    ck_assert_int_eq(p.longest_ms, 6000);
    ck_assert_int_eq(fr_admission_update(&p, &w, 30000), FR_ADMISSION_UNCHANGED);
    w.longest_ms = 1000;
    ck_assert_int_eq(fr_admission_update(&p, &w, 40000), FR_ADMISSION_BEGINS);
    ck_assert_int_eq(p.longest_ms, 1000);
    ck_assert_uint_eq(p.max_waiting, 0);
}
END_TEST

START_TEST(expiry_is_delayed_for_a_bounded_time)
{
    struct fr_busy_period p = {0};
    struct fr_handshakes_waiting w = {.longest_ms = FR_ADMISSION_BUSY_MS};

    ck_assert_int_eq(fr_admission_pause_ms(&p, 500), 0);
    fr_admission_update(&p, &w, 1000);
    ck_assert_int_eq(fr_admission_pause_ms(&p, 500), 500);
    ck_assert_int_eq(fr_admission_pause_ms(&p, FR_ADMISSION_PAUSE_MAX_MS),
                     FR_ADMISSION_PAUSE_MAX_MS - 500);
    ck_assert_int_eq(fr_admission_pause_ms(&p, 500), 0);
}
END_TEST

Suite *suite_admission(void)
{
    Suite *suite = suite_create("admission");
    TCase *tests = tcase_create("admission");

    tcase_add_test(tests, handshakes_that_have_begun_come_first);
    tcase_add_test(tests, fresh_handshakes_are_not_starved);
    tcase_add_test(tests, time_in_the_queue_moves_the_deadline);
    tcase_add_test(tests, busy_period_begins_and_ends_once);
    tcase_add_test(tests, expiry_is_delayed_for_a_bounded_time);
    suite_add_tcase(suite, tests);
    return suite;
}
