/* A running journal: its thread, cursors, deletion and faults. */
#include "unit.h"

#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "journal/journal.h"
#include "journal/store_open.h"
#include "journal/store_write.h"
#include "util/clock.h"
#include "util/counters.h"

#define VIN "5YJ3E1EA7KF000001"

/* A sanitizer reserves address space, so RLIMIT_AS cannot be lowered. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

static char folder[64], path[96];
static struct fr_journal_settings settings;
static struct fr_journal *journal;
static struct fr_error error;

static void ignore_writable(void *ctx)
{
    (void)ctx;
}

static void start(void)
{
    journal = fr_journal_start(&settings, ignore_writable, NULL, &error);
    ck_assert_msg(journal != NULL, "%s", error.text);
}

static void stop(void)
{
    fr_journal_stop(journal, true);
    fr_journal_free(journal);
}

static void set_up(void)
{
    strcpy(folder, "/tmp/fr-unit.XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/journal", folder);
    settings = (struct fr_journal_settings){.path = path,
                                            .size = 10000000,
                                            .retention_ms = 3600000,
                                            .commit_every_ms = 1,
                                            .commit_records = 1000,
                                            .duplicates = 100};
    start();
}

static void tear_down(void)
{
    char command[128];

    stop();
    snprintf(command, sizeof command, "rm -r %s", folder);
    ck_assert_int_eq(system(command), 0);
}

static void enqueue_only(unsigned count, size_t payload_len)
{
    for (unsigned i = 0; i < count; i++) {
        uint8_t *payload = calloc(1, payload_len + 1);
        struct fr_record_source source = {.vin = VIN,
                                          .topic = (const uint8_t *)"V",
                                          .topic_len = 1,
                                          .txid = (const uint8_t *)"t",
                                          .txid_len = 1,
                                          .client_version = "2.1",
                                          .payload = payload,
                                          .payload_len = payload_len,
                                          .received_ms = 1000};
        struct fr_queue_entry entry = {fr_record_known(&source, 1, false), false};

        fr_journal_enqueue(journal, &entry, 1);
        free(payload);
    }
}

static void enqueue(unsigned count, size_t payload_len)
{
    enqueue_only(count, payload_len);
    ck_assert(fr_journal_flush(journal, 10000));
}

static struct fr_journal_status status_now(void)
{
    struct fr_journal_status status;

    fr_journal_status(journal, &status);
    return status;
}

/* Wait up to 20 s for `count` more commits. Moves the cursor `moving` (NULL: none) back by one
 * record each time, so that the journal has a change to commit. */
static void wait_commits(struct fr_cursor *moving, unsigned count)
{
    uint64_t target = status_now().commits + count;

    for (int i = 0; status_now().commits < target; i++) {
        ck_assert_int_lt(i, 2000);
        if (moving != NULL)
            fr_cursor_move(moving, fr_cursor_position(moving) - 1);
        usleep(10000);
    }
}

static void register_cursor(const char *name, bool from_oldest)
{
    struct fr_cursor_name cursor = {name, from_oldest};

    ck_assert_int_eq(fr_journal_register(journal, &cursor, 1, &error), 0);
}

static void ignore_wakeup(void *ctx)
{
    (void)ctx;
}

static bool accept_all(void *ctx, enum fr_record_type type, const char *topic)
{
    (void)ctx, (void)type, (void)topic;
    return true;
}

/* Limit the address space to the present size plus `more` bytes. 0 removes the limit. */
static void limit_memory(size_t more)
{
    struct rlimit limit;
    long pages = 0;
    FILE *file = fopen("/proc/self/statm", "re");

    ck_assert_ptr_nonnull(file);
    ck_assert_int_eq(fscanf(file, "%ld", &pages), 1);
    fclose(file);
    ck_assert_int_eq(getrlimit(RLIMIT_AS, &limit), 0);
    limit.rlim_cur = more == 0 ? limit.rlim_max : (rlim_t)pages * 4096 + more;
    ck_assert_int_eq(setrlimit(RLIMIT_AS, &limit), 0);
}

/* Memory allocation fails for the third of four records: the cursor returns the first two, skips no
 * record and keeps the order. */
START_TEST(order_is_kept_when_memory_is_short)
{
    struct fr_record *records[8];
    struct fr_cursor *c;
    uint64_t next = 1;

    if (SANITIZED)
        return;
    mallopt(M_MMAP_THRESHOLD, 131072); /* a large record is allocated by mmap(), which can fail */
    register_cursor("fast", true);
    c = fr_cursor_open(journal, "fast", true, ignore_wakeup, NULL, &error);
    ck_assert_ptr_nonnull(c);
    enqueue(2, 20);
    enqueue(1, 3000000);
    enqueue(1, 20);
    ck_assert_int_eq(fr_cursor_read(c, &next, records, 1, accept_all, NULL, &error), 1);
    fr_record_unref(records[0]);
    next = 1;
    limit_memory(1000000);
    ck_assert_int_eq(fr_cursor_read(c, &next, records, 8, accept_all, NULL, &error), 2);
    ck_assert_uint_eq(records[0]->seq, 1);
    ck_assert_uint_eq(records[1]->seq, 2);
    ck_assert_uint_eq(next, 3);
    fr_record_unref(records[0]);
    fr_record_unref(records[1]);
    ck_assert_int_eq(fr_cursor_read(c, &next, records, 8, accept_all, NULL, &error), -1);
    ck_assert_uint_eq(next, 3);
    limit_memory(0);
    for (uint64_t seq = 3; seq <= 4; seq++) {
        ck_assert_int_eq(fr_cursor_read(c, &next, records, 1, accept_all, NULL, &error), 1);
        ck_assert_uint_eq(records[0]->seq, seq);
        fr_record_unref(records[0]);
    }
    ck_assert_uint_eq(next, 5);
    fr_cursor_close(c);
}
END_TEST

START_TEST(records_are_kept_until_cursors_are_registered)
{
    struct fr_cursor *other;

    register_cursor("slow", true);
    enqueue(600, 20);
    stop();
    settings.retention_ms = 0; /* every record is older */
    start();
    other = fr_cursor_open(journal, ":values", true, ignore_wakeup, NULL, &error);
    ck_assert_ptr_nonnull(other);
    fr_cursor_move(other, 601);
    wait_commits(other, 2);
    ck_assert_uint_eq(status_now().usage.first, 1);
    /* Records of a configured sink that does not read are kept. */
    register_cursor("slow", true);
    wait_commits(other, 2);
    ck_assert_uint_eq(status_now().usage.first, 1);
    /* Records of a sink that is no longer configured are deleted. */
    ck_assert_int_eq(fr_journal_register(journal, NULL, 0, &error), 0);
    wait_commits(other, 2);
    ck_assert_uint_gt(status_now().usage.first, 1);
}
END_TEST

START_TEST(deleted_undelivered_records_are_counted)
{
    uint64_t before = fr_count_read(FR_COUNT_JOURNAL_DROPPED);
    struct fr_cursor *slow;

    enqueue(600, 20);
    slow = fr_cursor_open(journal, "slow", true, ignore_wakeup, NULL, &error);
    fr_cursor_move(slow, 101);
    stop();
    settings.retention_ms = 0;
    settings.when_full = FR_JOURNAL_DROP_OLDEST;
    start();
    register_cursor("slow", true);
    for (int i = 0; i < 10 && status_now().usage.first < 600; i++)
        enqueue(1, 20);
    ck_assert_uint_ge(status_now().usage.first, 600);
    ck_assert_uint_eq(fr_count_read(FR_COUNT_JOURNAL_DROPPED) - before,
                      status_now().usage.first - 101);
}
END_TEST

static const struct {
    struct fr_cursor_name cursor;
    uint64_t position;
} cursors[] = {{{"slow", true}, 101}, {{"slower", true}, 51}, {{"ahead", true}, 601}};

static void register_cursors(void)
{
    struct fr_cursor_name names[3];

    for (int i = 0; i < 3; i++)
        names[i] = cursors[i].cursor;
    ck_assert_int_eq(fr_journal_register(journal, names, 3, &error), 0);
}

/* Start a process that deletes and appends until it is killed. Returns when the oldest record is no
 * longer `first`. */
static pid_t start_deleting(uint64_t first)
{
    struct fr_store_usage usage = {.first = first};
    struct fr_store *reading_store;
    pid_t child = fork();

    if (child == 0) {
        start();
        register_cursors();
        for (;;)
            enqueue(10, 20);
    }
    reading_store = fr_store_open_readonly(path, true, &error);
    ck_assert_msg(reading_store != NULL, "%s", error.text);
    for (int i = 0; usage.first == first; i++) {
        ck_assert_int_lt(i, 10000);
        usleep(1000);
        ck_assert_int_eq(fr_store_usage(reading_store, &usage, &error), 0);
    }
    fr_store_close(reading_store);
    return child;
}

static void assert_dropped(uint64_t first)
{
    for (int i = 0; i < 3; i++) {
        struct fr_cursor *c =
            fr_cursor_open(journal, cursors[i].cursor.name, true, ignore_wakeup, NULL, &error);

        ck_assert_msg(c != NULL, "%s", error.text);
        ck_assert_uint_eq(fr_cursor_position(c), cursors[i].position);
        ck_assert_uint_eq(fr_cursor_dropped(c),
                          first > cursors[i].position ? first - cursors[i].position : 0);
    }
}

/* One transaction deletes records and updates the count of each cursor. */
START_TEST(deleted_undelivered_counts_survive_kills)
{
    uint64_t first = 1;

    enqueue(600, 20);
    for (int i = 0; i < 3; i++)
        fr_cursor_move(
            fr_cursor_open(journal, cursors[i].cursor.name, true, ignore_wakeup, NULL, &error),
            cursors[i].position);
    register_cursors();
    stop();
    settings.retention_ms = 0;
    settings.when_full = FR_JOURNAL_DROP_OLDEST;
    srand(5);
    for (int i = 0; i < 8; i++) {
        pid_t child = start_deleting(first);
        int status;

        usleep((useconds_t)(rand() % 20000));
        kill(child, SIGKILL);
        ck_assert_int_eq(waitpid(child, &status, 0), child);
        ck_assert(WIFSIGNALED(status));
        start();
        first = status_now().usage.first;
        assert_dropped(first);
        if (i < 7)
            stop();
    }
    ck_assert_uint_gt(first, 601);
}
END_TEST

static bool kill_self(void *ctx, uint64_t seq, const uint8_t *bytes, size_t len)
{
    (void)ctx, (void)seq, (void)bytes, (void)len;
    raise(SIGKILL);
    return true;
}

/* Records of very different sizes fragment the pages. The journal must reuse the space of delivered
 * records. */
START_TEST(mixed_record_sizes_fit)
{
    struct fr_cursor *c;

    stop();
    settings.size = 4000000;
    start();
    register_cursor("fast", false);
    c = fr_cursor_open(journal, "fast", false, ignore_wakeup, NULL, &error);
    srand(7);
    for (int i = 0; i < 400; i++) {
        enqueue(1 + (unsigned)rand() % 50, (size_t)rand() % 3000);
        enqueue(1, (size_t)rand() % 1000000);
        fr_cursor_move(c, fr_journal_next(journal));
    }
    ck_assert_int_eq(status_now().stuck, false);
    ck_assert_uint_lt(status_now().usage.file_bytes, 73000000);
}
END_TEST

/* Start a reader and kill it during a read transaction. */
static void kill_a_reader(void)
{
    int status;
    pid_t child = fork();

    if (child == 0) {
        struct fr_store *reading_store = fr_store_open_readonly(path, true, &error);
        struct fr_store_reader *reader =
            reading_store ? fr_store_reader_new(reading_store, &error) : NULL;
        struct fr_store_span span = {.next = 1, .end = UINT64_MAX};

        if (reader != NULL)
            fr_store_read(reader, &span, 1, kill_self, NULL, &error);
        _exit(1);
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert(WIFSIGNALED(status));
}

/* Pages that are freed after the kill must be reused: 160 MB pass through a file below 73 MB. */
START_TEST(killed_reader_does_not_pin_pages)
{
    stop();
    settings.size = 4000000;
    start();
    register_cursor("fast", false);
    enqueue(10, 1000);
    kill_a_reader();
    for (int i = 0; i < 160; i++) {
        struct fr_cursor_name fast = {"fast", false};
        struct fr_cursor *c =
            fr_cursor_open(journal, fast.name, false, ignore_wakeup, NULL, &error);

        enqueue(100, 10000);
        fr_cursor_move(c, fr_journal_next(journal));
        fr_cursor_close(c);
    }
    ck_assert_int_eq(status_now().stuck, false);
    ck_assert_uint_lt(status_now().usage.file_bytes, 73000000);
}
END_TEST

START_TEST(cursor_beyond_the_end_restarts_at_the_oldest)
{
    struct fr_store *store;
    struct fr_cursor *c;

    enqueue(50, 20);
    stop();
    store = fr_store_open(path, settings.size, &error);
    ck_assert_ptr_nonnull(store);
    ck_assert_int_eq(fr_store_begin(store, &error), 0);
    ck_assert_int_eq(fr_store_set_cursor(store, "slow", UINT64_C(10000000000000000000), 1, &error),
                     0);
    ck_assert_int_eq(fr_store_commit(store, &error), 0);
    fr_store_close(store);
    start();
    register_cursor("slow", false);
    c = fr_cursor_open(journal, "slow", false, ignore_wakeup, NULL, &error);
    ck_assert_uint_eq(fr_cursor_position(c), 1);
    ck_assert_uint_eq(fr_cursor_repeated_below(c), 51);
    fr_cursor_move(c, UINT64_C(10000000000000000000));
    ck_assert_uint_eq(fr_cursor_position(c), 1);
}
END_TEST

/* A file that cannot grow: the records are not written until the journal stops. They are released,
 * and no longer count as pending or waiting. */
START_TEST(unwritten_records_are_released_at_the_stop)
{
    struct rlimit limit;

    signal(SIGXFSZ, SIG_IGN);
    ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = 1;
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    enqueue_only(10, 20);
    for (int i = 0; !status_now().stuck; i++) {
        ck_assert_int_lt(i, 2000);
        usleep(10000);
    }
    ck_assert(!fr_journal_flush(journal, 0));
    ck_assert_uint_eq(status_now().waiting, 10);
    fr_journal_stop(journal, true);
    ck_assert(fr_journal_flush(journal, 0));
    ck_assert_uint_eq(status_now().waiting, 0);
    limit.rlim_cur = limit.rlim_max;
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    fr_journal_free(journal);
    start();
    ck_assert_uint_eq(status_now().usage.next, 1);
}
END_TEST

Suite *suite_journal_run(void)
{
    Suite *suite = suite_create("journal_run");
    TCase *tests = tcase_create("run");

    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_set_timeout(tests, 30);
    tcase_add_test(tests, order_is_kept_when_memory_is_short);
    tcase_add_test(tests, records_are_kept_until_cursors_are_registered);
    tcase_add_test(tests, deleted_undelivered_records_are_counted);
    tcase_add_test(tests, deleted_undelivered_counts_survive_kills);
    tcase_add_test(tests, mixed_record_sizes_fit);
    tcase_add_test(tests, killed_reader_does_not_pin_pages);
    tcase_add_test(tests, unwritten_records_are_released_at_the_stop);
    tcase_add_test(tests, cursor_beyond_the_end_restarts_at_the_oldest);
    suite_add_tcase(suite, tests);
    return suite;
}
