/* The store of last values: it keeps the newest value, enforces limits, and discards a file that is
 * damaged or was not closed. */
#include "unit.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "journal/value_store.h"
#include "journal/value_store_open.h"

#define VIN "5YJ3E1EA7KF000001"
#define UNKNOWN 100000 /* a field number that is not in the catalogue */

static char folder[64];
static struct fr_value_store *store;
static struct fr_error error;
static bool fresh;

static void open_store(void)
{
    store = fr_value_store_open(folder, &fresh, &error);
    ck_assert_msg(store != NULL, "%s", error.text);
}

static void set_up(void)
{
    strcpy(folder, "/tmp/fr-unit.XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    open_store();
    ck_assert(fresh);
}

static void tear_down(void)
{
    char command[128];

    fr_value_store_close(store);
    snprintf(command, sizeof command, "rm -r %s", folder);
    ck_assert_int_eq(system(command), 0);
}

/* Store one value. Returns the number of values that exceeded a limit. */
static size_t put(const char *vin, uint32_t field, int64_t created_ns, size_t len)
{
    static uint8_t bytes[8192];
    struct fr_last_value value = {
        .field = field, .created_ns = created_ns, .received_ms = 1, .bytes = bytes, .len = len};
    const struct fr_last_value *values[] = {&value};
    size_t over_bound;

    snprintf(value.vin, sizeof value.vin, "%s", vin);
    ck_assert_int_eq(fr_value_store_put(store, values, 1, &over_bound, &error), 0);
    return over_bound;
}

static size_t collected_count;
static struct fr_last_value last;

static bool collect_value(void *ctx, const struct fr_last_value *value)
{
    (void)ctx;
    collected_count++;
    last = *value;
    return true;
}

static size_t count(const char *vin)
{
    collected_count = 0;
    ck_assert_int_eq(fr_value_store_each(store, vin, collect_value, NULL, &error), 0);
    return collected_count;
}

static void write_state(const char *text)
{
    char path[96];
    FILE *file;

    snprintf(path, sizeof path, "%s/state", folder);
    file = fopen(path, "w");
    ck_assert_ptr_nonnull(file);
    fputs(text, file);
    fclose(file);
}

START_TEST(newest_value_is_kept)
{
    put(VIN, 4, 100, 1);
    put(VIN, 4, 50, 2);
    put(VIN, 4, 200, 3);
    put(VIN, 4, 150, 4);
    ck_assert_uint_eq(count(VIN), 1);
    ck_assert_int_eq(last.created_ns, 200);
    ck_assert_uint_eq(last.len, 3);
    put(VIN, 4, 0, 5); /* without a creation time, the receipt time is used: it is newer */
    ck_assert_uint_eq(count(VIN), 1);
    ck_assert_uint_eq(last.len, 5);
    put(VIN "0", 5, 1, 1);
    ck_assert_uint_eq(count(VIN), 1);
    ck_assert_uint_eq(count(NULL), 2);
}
END_TEST

START_TEST(values_of_a_vehicle_are_limited)
{
    ck_assert_uint_eq(put(VIN, 0, 1, 1), 1);
    ck_assert_uint_eq(put(VIN, 4, 1, FR_VALUE_BYTES_MAX + 1), 1);
    ck_assert_uint_eq(put(VIN, UNKNOWN, 1, FR_VALUE_UNKNOWN_BYTES_MAX + 1), 1);
    for (uint32_t i = 0; i < FR_VALUE_UNKNOWN_MAX; i++)
        ck_assert_uint_eq(put(VIN, UNKNOWN + i, 1, 10), 0);
    ck_assert_uint_eq(put(VIN, UNKNOWN + FR_VALUE_UNKNOWN_MAX, 1, 10), 1);
    ck_assert_uint_eq(put(VIN, UNKNOWN, 2, 20), 0); /* a stored value is updated */
    ck_assert_uint_eq(put(VIN "0", UNKNOWN + FR_VALUE_UNKNOWN_MAX, 1, 10), 0); /* another vehicle */
    ck_assert_uint_eq(count(VIN), FR_VALUE_UNKNOWN_MAX);
    for (uint32_t i = 1; i <= 20; i++)
        put(VIN, i, 1, FR_VALUE_BYTES_MAX);
    ck_assert_uint_lt(count(VIN), FR_VALUE_UNKNOWN_MAX + 16); /* 64 kB a vehicle */
    fr_value_store_close(store);
    open_store();
    ck_assert(!fresh);
    ck_assert_uint_eq(put(VIN, UNKNOWN + FR_VALUE_UNKNOWN_MAX, 1, 10), 1); /* counted on disk */
}
END_TEST

/* The values exceed one chunk of the reader. */
START_TEST(many_values_are_read_once)
{
    char vin[32];

    for (unsigned i = 0; i < 1000; i++) {
        snprintf(vin, sizeof vin, "5YJ3E1EA7KF%06u", i);
        put(vin, 4, 1, 1000);
    }
    ck_assert_uint_eq(count(NULL), 1000);
    ck_assert_uint_eq(count("5YJ3E1EA7KF000500"), 1);
}
END_TEST

/* Some vehicles have no presence, some have nothing else; the chunks end in between. */
START_TEST(one_field_is_read_without_the_others)
{
    for (int i = 0; i < 600; i++) {
        char vin[20];

        snprintf(vin, sizeof vin, "VIN%06d", i);
        for (uint32_t field = 1; i % 5 != 0 && field < 4; field++)
            put(vin, field, 0, 10);
        if (i % 3 != 0)
            put(vin, FR_FIELD_PRESENCE, 0, 1000);
    }
    collected_count = 0;
    ck_assert_int_eq(
        fr_value_store_each_of_field(store, FR_FIELD_PRESENCE, collect_value, NULL, &error), 0);
    ck_assert_uint_eq(collected_count, 400);
    ck_assert_uint_eq(last.field, FR_FIELD_PRESENCE);
    ck_assert_str_eq(last.vin, "VIN000599");
    collected_count = 0;
    ck_assert_int_eq(fr_value_store_each_of_field(store, 2, collect_value, NULL, &error), 0);
    ck_assert_uint_eq(collected_count, 480);
    ck_assert_str_eq(last.vin, "VIN000599");
}
END_TEST

START_TEST(damaged_file_is_discarded)
{
    char data[96];
    int fd;

    snprintf(data, sizeof data, "%s/data.mdb", folder);
    put(VIN, 4, 1, 1);
    fr_value_store_close(store);
    open_store();
    ck_assert(!fresh);
    ck_assert_uint_eq(count(NULL), 1);
    fr_value_store_close(store);
    write_state("another boot\n");
    open_store();
    ck_assert(fresh);
    for (uint32_t i = 1; i < 200; i++)
        put(VIN, i, 1, 300);
    fr_value_store_close(store);
    fd = open(data, O_WRONLY); /* truncated after a clean close */
    ck_assert_int_eq(ftruncate(fd, 3 * 4096), 0);
    close(fd);
    open_store();
    ck_assert(fresh);
    fr_value_store_close(store);
    fd = open(data, O_WRONLY | O_TRUNC); /* no LMDB file */
    ck_assert_int_eq(write(fd, folder, sizeof folder), sizeof folder);
    close(fd);
    open_store();
    ck_assert(fresh);
    ck_assert_uint_eq(put(VIN, 4, 1, 1), 0);
}
END_TEST

Suite *suite_value_store(void)
{
    Suite *suite = suite_create("value_store");
    TCase *tests = tcase_create("values");

    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_set_timeout(tests, 30);
    tcase_add_test(tests, newest_value_is_kept);
    tcase_add_test(tests, values_of_a_vehicle_are_limited);
    tcase_add_test(tests, many_values_are_read_once);
    tcase_add_test(tests, one_field_is_read_without_the_others);
    tcase_add_test(tests, damaged_file_is_discarded);
    suite_add_tcase(suite, tests);
    return suite;
}
