/* Jobs (admin/jobs.h): clients share the threads; bounds, cancelling, and the end. */
#include "unit.h"

#include <event2/event.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "admin/jobs.h"
#include "util/clock.h"

#define LIMIT_MS 20000

static struct event_base *base;
static struct fr_jobs *jobs;
static struct fr_error error;

/* Work that lasts until it is released. */
struct work {
    _Atomic bool started, released, interrupted, unwanted;
    _Atomic unsigned order; /* from 1 */
    bool done;
    enum fr_job_end end;
};

static _Atomic unsigned starts;
static struct work works[FR_JOBS_MAX + 1];

static void work_run(void *ctx, const _Atomic bool *cancelled)
{
    struct work *work = ctx;

    work->order = ++starts;
    work->started = true;
    while (!work->released && !*cancelled)
        usleep(1000);
    work->interrupted = *cancelled;
}

static void work_done(void *ctx, enum fr_job_end end)
{
    struct work *work = ctx;

    ck_assert(!work->done);
    work->done = true;
    work->end = end;
}

static bool work_is_unwanted(void *ctx)
{
    return ((struct work *)ctx)->unwanted;
}

static const struct fr_job_type type = {work_run, work_done, work_is_unwanted};

static void start(void)
{
    memset(works, 0, sizeof works);
    starts = 0;
    base = event_base_new();
    jobs = fr_jobs_new(base, &error);
    ck_assert_msg(jobs != NULL, "%s", error.text);
}

static void stop(void)
{
    fr_jobs_free(jobs);
    event_base_free(base);
}

static struct fr_job *add(uint64_t client, size_t index)
{
    return fr_jobs_add(jobs, client, &type, &works[index]);
}

static void wait_started(const struct work *work)
{
    int64_t until = fr_monotonic_ms() + LIMIT_MS;

    while (!work->started && fr_monotonic_ms() < until)
        usleep(1000);
    ck_assert(work->started);
}

static void wait_done(const struct work *work)
{
    int64_t until = fr_monotonic_ms() + LIMIT_MS;

    while (!work->done && fr_monotonic_ms() < until)
        ck_assert_int_eq(event_base_loop(base, EVLOOP_ONCE), 0);
    ck_assert(work->done);
}

START_TEST(one_client_leaves_a_thread_to_others)
{
    for (size_t i = 0; i < 5; i++)
        ck_assert_ptr_nonnull(add(1, i));
    wait_started(&works[0]);
    ck_assert_ptr_nonnull(add(2, 5));
    wait_started(&works[5]);
    ck_assert(!works[1].started);
    for (size_t i = 0; i < 6; i++)
        works[i].released = true;
    for (size_t i = 0; i < 6; i++) {
        wait_done(&works[i]);
        ck_assert_int_eq(works[i].end, FR_JOB_DONE);
    }
}
END_TEST

/* Clients 1 and 2 have many jobs; one of client 3, added last, starts when the next thread is free. */
START_TEST(clients_take_turns)
{
    for (size_t i = 0; i < 10; i++)
        ck_assert_ptr_nonnull(add(1 + i % 2, i));
    wait_started(&works[0]);
    wait_started(&works[1]);
    ck_assert_ptr_nonnull(add(3, 10));
    works[0].released = true;
    wait_started(&works[10]);
    ck_assert_uint_eq(works[10].order, 3);
    works[10].released = true;
    wait_started(&works[2]);
    ck_assert_uint_eq(works[2].order, 4);
    ck_assert(!works[4].started);
    for (size_t i = 0; i <= 10; i++)
        works[i].released = true;
    for (size_t i = 0; i <= 10; i++)
        wait_done(&works[i]);
}
END_TEST

START_TEST(jobs_are_bounded)
{
    for (size_t i = 0; i < FR_JOBS_CLIENT_MAX; i++)
        ck_assert_ptr_nonnull(add(1, i));
    ck_assert_ptr_null(add(1, FR_JOBS_MAX));
    for (size_t i = FR_JOBS_CLIENT_MAX; i < FR_JOBS_MAX; i++)
        ck_assert_ptr_nonnull(add(i, i));
    ck_assert_ptr_null(add(1, FR_JOBS_MAX));
    /* A newcomer takes the place of the newest job of the client with the most. */
    ck_assert_ptr_nonnull(add(7, FR_JOBS_MAX));
    wait_done(&works[FR_JOBS_CLIENT_MAX - 1]);
    ck_assert_int_eq(works[FR_JOBS_CLIENT_MAX - 1].end, FR_JOB_CANCELLED);
    for (size_t i = 0; i <= FR_JOBS_MAX; i++)
        works[i].released = true;
    for (size_t i = 0; i <= FR_JOBS_MAX; i++)
        wait_done(&works[i]);
    ck_assert_int_eq(works[FR_JOBS_MAX].end, FR_JOB_DONE);
    ck_assert(!works[FR_JOBS_CLIENT_MAX - 1].started);
}
END_TEST

/* While each client has one job, none is displaced. */
START_TEST(equal_clients_displace_no_job)
{
    for (size_t i = 0; i < FR_JOBS_MAX; i++)
        ck_assert_ptr_nonnull(add(i, i));
    ck_assert_ptr_null(add(FR_JOBS_MAX, FR_JOBS_MAX));
    for (size_t i = 0; i < FR_JOBS_MAX; i++)
        works[i].released = true;
    for (size_t i = 0; i < FR_JOBS_MAX; i++) {
        wait_done(&works[i]);
        ck_assert_int_eq(works[i].end, FR_JOB_DONE);
    }
    ck_assert_ptr_nonnull(add(1, FR_JOBS_MAX));
}
END_TEST

START_TEST(cancelled_and_unwanted_jobs_end)
{
    struct fr_job *running = add(1, 0), *waiting = add(1, 1);

    ck_assert_ptr_nonnull(add(1, 2));
    ck_assert_ptr_nonnull(add(2, 3));
    wait_started(&works[0]);
    wait_started(&works[3]);
    fr_job_cancel(waiting);
    wait_done(&works[1]);
    ck_assert_int_eq(works[1].end, FR_JOB_CANCELLED);
    works[2].unwanted = true;
    wait_done(&works[2]);
    ck_assert_int_eq(works[2].end, FR_JOB_CANCELLED);
    works[3].unwanted = true;
    wait_done(&works[3]);
    ck_assert(works[3].interrupted && works[3].end == FR_JOB_DONE);
    ck_assert(!works[0].done);
    fr_job_cancel(running);
    wait_done(&works[0]);
    ck_assert(works[0].interrupted);
    ck_assert(!works[1].started && !works[2].started);
}
END_TEST

START_TEST(jobs_that_wait_too_long_are_late)
{
    ck_assert_ptr_nonnull(add(1, 0));
    wait_started(&works[0]);
    ck_assert_ptr_nonnull(add(1, 1));
    wait_done(&works[1]);
    ck_assert(works[1].end == FR_JOB_LATE && !works[1].started);
    ck_assert(!works[0].done);
}
END_TEST

START_TEST(the_end_cancels_all)
{
    for (size_t i = 0; i < 4; i++)
        ck_assert_ptr_nonnull(add(i / 2, i));
    wait_started(&works[0]);
    wait_started(&works[2]);
    fr_jobs_free(jobs);
    jobs = NULL;
    for (size_t i = 0; i < 4; i++)
        ck_assert(works[i].done);
    ck_assert(works[0].interrupted && works[0].end == FR_JOB_DONE);
    ck_assert_int_eq(works[1].end, FR_JOB_CANCELLED);
}
END_TEST

Suite *suite_jobs(void)
{
    Suite *suite = suite_create("jobs");
    TCase *tests = tcase_create("jobs");

    tcase_add_checked_fixture(tests, start, stop);
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, one_client_leaves_a_thread_to_others);
    tcase_add_test(tests, clients_take_turns);
    tcase_add_test(tests, jobs_are_bounded);
    tcase_add_test(tests, equal_clients_displace_no_job);
    tcase_add_test(tests, cancelled_and_unwanted_jobs_end);
    tcase_add_test(tests, jobs_that_wait_too_long_are_late);
    tcase_add_test(tests, the_end_cancels_all);
    suite_add_tcase(suite, tests);
    return suite;
}
