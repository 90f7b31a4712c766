/* Dead-letter files (sink/dead_letter_file.h): reading, ids, dropping beside a writer, rotation. */
#include "unit.h"

#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "record/record.h"
#include "sink/dead_letter_file.h"
#include "sink/dead_letters.h"
#include "util/clock.h"

#define SINK "archive"

static char folder[64], path[96], older[98];
static struct fr_dead_letter_file file;
static struct fr_buffer text;
static struct fr_error error;
static char id[FR_DEAD_LETTER_ID_SIZE];

static void set_up(void)
{
    snprintf(folder, sizeof folder, "/tmp/fr-letters.XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/" SINK ".jsonl", folder);
    snprintf(older, sizeof older, "%s.1", path);
}

static void tear_down(void)
{
    unlink(path);
    unlink(older);
    rmdir(folder);
    fr_buffer_free(&text);
}

static void append(const char *to, const char *bytes)
{
    FILE *f = fopen(to, "ae");

    ck_assert_ptr_nonnull(f);
    fputs(bytes, f);
    ck_assert_int_eq(fclose(f), 0);
}

static void scan(void)
{
    ck_assert_msg(fr_dead_letter_file_open(&file, folder, SINK, &error) == 0, "%s", error.text);
    ck_assert_msg(fr_dead_letter_file_scan(&file, INT64_MAX, NULL, &error) == 0, "%s", error.text);
}

static const char *line(size_t index)
{
    ck_assert(fr_dead_letter_read(&file, &file.lines[index], &text));
    return fr_buffer_string(&text);
}

static size_t count(void)
{
    size_t n;

    scan();
    n = file.count;
    fr_dead_letter_file_close(&file);
    return n;
}

static off_t size_of(const char *name)
{
    struct stat st;

    return stat(name, &st) == 0 ? st.st_size : -1;
}

START_TEST(lines_of_both_files_are_found_oldest_first)
{
    ck_assert_uint_eq(count(), 0);
    append(older, "{\"sink\":\"archive\",\"n\":1}\n");
    append(path,
           "{\"sink\":\"archive\",\"n\":2}\n\n{}\nno JSON at all here\n{\"dropped\":true      }\n"
           "{\"sink\":\"archive\",\"n\":3}\n{\"sink\":\"archive\",\"incomplete");
    scan();
    ck_assert_uint_eq(file.count, 3);
    ck_assert_str_eq(line(0), "{\"sink\":\"archive\",\"n\":1}");
    ck_assert_str_eq(line(1), "{\"sink\":\"archive\",\"n\":2}");
    ck_assert_str_eq(line(2), "{\"sink\":\"archive\",\"n\":3}");
    fr_dead_letter_file_close(&file);
    ck_assert_uint_eq(fr_dead_letter_count(path), 2);
    ck_assert_uint_eq(fr_dead_letter_count("/tmp/fr-letters-absent"), 0);
    ck_assert(fr_dead_letter_file_open(&file, folder, SINK, &error) == 0);
    ck_assert_int_eq(fr_dead_letter_file_scan(&file, fr_monotonic_ms() - 1, NULL, &error), -1);
    fr_dead_letter_file_close(&file);
}
END_TEST

/* Lines longer than a block of the scan, with their line feeds at each position relative to it. */
START_TEST(long_lines_are_found)
{
    for (size_t len = 65530; len < 65545; len++) {
        char *long_line = malloc(len + 2);

        ck_assert_ptr_nonnull(long_line);
        memset(long_line, 'x', len);
        long_line[0] = '{';
        memcpy(long_line + len, "\n", 2);
        append(path, long_line);
        free(long_line);
    }
    scan();
    ck_assert_uint_eq(file.count, 15);
    for (size_t i = 0; i < 15; i++) {
        ck_assert_uint_eq(file.lines[i].len, 65530 + i);
        ck_assert_uint_eq(strlen(line(i)), 65530 + i);
    }
    fr_dead_letter_id(&file, &file.lines[14], &text, id);
    ck_assert_int_eq(fr_dead_letter_drop(&file, &file.lines[14], 1, &error), 0);
    fr_dead_letter_file_close(&file);
    ck_assert_uint_eq(count(), 14);
}
END_TEST

START_TEST(ids_name_one_line)
{
    struct fr_dead_letter found;
    static const char *const malformed[] = {
        "", "-", "1-2", "1-2-3", "x", "1-0-zz", "ffffffffffffffffffffffff-0-0", "-1--1-0"};
    char same_place[FR_DEAD_LETTER_ID_SIZE + 2];

    append(path, "{\"sink\":\"archive\",\"n\":1}\n{\"sink\":\"archive\",\"n\":2}\n");
    scan();
    line(1);
    fr_dead_letter_id(&file, &file.lines[1], &text, id);
    ck_assert(fr_dead_letter_find(&file, id, &found, &text));
    ck_assert_uint_eq(found.offset, file.lines[1].offset);
    ck_assert_str_eq(fr_buffer_string(&text), "{\"sink\":\"archive\",\"n\":2}");
    for (size_t i = 0; i < sizeof malformed / sizeof *malformed; i++)
        ck_assert_msg(!fr_dead_letter_find(&file, malformed[i], &found, &text), "%s", malformed[i]);
    snprintf(same_place, sizeof same_place, " %s", id);
    ck_assert(!fr_dead_letter_find(&file, same_place, &found, &text));
    /* In the middle of a line; behind the end. */
    for (unsigned offset = 0; offset < 60; offset++) {
        snprintf(same_place, sizeof same_place, "%llx-%x-00000000",
                 (unsigned long long)file.part[1].inode, offset);
        ck_assert(!fr_dead_letter_find(&file, same_place, &found, &text));
    }
    ck_assert(fr_dead_letter_find(&file, id, &found, &text));
    ck_assert_int_eq(fr_dead_letter_drop(&file, &found, 1, &error), 0);
    ck_assert(!fr_dead_letter_find(&file, id, &found, &text));
    fr_dead_letter_file_close(&file);
    /* Another letter at the same place of the same file has another id. */
    ck_assert_int_eq(truncate(path, 0), 0);
    append(path, "{\"sink\":\"archive\",\"n\":5}\n{\"sink\":\"archive\",\"n\":6}\n");
    ck_assert_int_eq(fr_dead_letter_file_open(&file, folder, SINK, &error), 0);
    ck_assert(!fr_dead_letter_find(&file, id, &found, &text));
    fr_dead_letter_file_close(&file);
}
END_TEST

START_TEST(dropped_lines_stay_json_and_empty_files_are_emptied)
{
    char bytes[256];
    FILE *f;

    append(older, "{\"sink\":\"archive\",\"n\":0}\n");
    append(path, "{\"sink\":\"archive\",\"n\":1}\n{\"sink\":\"archive\",\"n\":2}\n");
    scan();
    ck_assert_int_eq(fr_dead_letter_drop(&file, &file.lines[1], 1, &error), 0);
    ck_assert_int_eq(fr_dead_letter_drop(&file, &file.lines[1], 1, &error), 0); /* again */
    fr_dead_letter_file_close(&file);
    f = fopen(path, "re");
    ck_assert_ptr_nonnull(fgets(bytes, sizeof bytes, f));
    fclose(f);
    ck_assert_str_eq(bytes, "{\"dropped\":true        }\n");
    ck_assert(fr_dead_letter_is_dropped(bytes, strlen(bytes)));
    ck_assert_uint_eq(count(), 2);
    scan();
    ck_assert_str_eq(line(1), "{\"sink\":\"archive\",\"n\":2}");
    /* A line that is appended between keeps its file from being emptied. */
    append(path, "{\"sink\":\"archive\",\"n\":3}\n");
    ck_assert_int_eq(fr_dead_letter_drop(&file, file.lines, file.count, &error), 0);
    fr_dead_letter_file_close(&file);
    ck_assert_int_eq(size_of(older), 0);
    scan();
    ck_assert_uint_eq(file.count, 1);
    ck_assert_str_eq(line(0), "{\"sink\":\"archive\",\"n\":3}");
    fr_dead_letter_file_trim(&file);
    ck_assert_int_gt(size_of(path), 0);
    ck_assert_int_eq(fr_dead_letter_drop(&file, file.lines, 1, &error), 0);
    fr_dead_letter_file_close(&file);
    scan();
    fr_dead_letter_file_trim(&file);
    fr_dead_letter_file_close(&file);
    ck_assert_int_eq(size_of(path), 0);
}
END_TEST

#define WRITTEN 400

static void *write_letters(void *ctx)
{
    struct fr_dead_letters *letters = fr_dead_letters_new(folder, SINK);
    struct fr_record_source source = {.vin = "5YJ3E1EA7KF000001",
                                      .topic = (const uint8_t *)"errors",
                                      .topic_len = 6,
                                      .txid = (const uint8_t *)"t",
                                      .txid_len = 1,
                                      .client_version = "",
                                      .payload = (const uint8_t *)"",
                                      .received_ms = 1};
    struct fr_record *record = fr_record_known(&source, 0, false);
    struct fr_error why;

    for (unsigned i = 0; i < WRITTEN; i++) {
        ck_assert_int_eq(fr_dead_letters_add(letters, record, i, "refused", &why), 0);
        ck_assert_msg(fr_dead_letters_write(letters, &why) == 0, "%s", why.text);
    }
    fr_record_unref(record);
    fr_dead_letters_free(letters);
    *(_Atomic bool *)ctx = true;
    return NULL;
}

/* A sink writes 400 letters while others are dropped and files are emptied: none is lost, none is
 * dropped twice. */
START_TEST(a_writer_loses_no_line)
{
    _Atomic bool ended = false;
    size_t dropped = 0;
    pthread_t thread;
    bool last;

    ck_assert_int_eq(pthread_create(&thread, NULL, write_letters, &ended), 0);
    do {
        last = ended;
        scan();
        for (size_t i = 0; i < file.count; i++)
            ck_assert_ptr_nonnull(strstr(line(i), "\"reason\":\"refused\""));
        /* Now all lines, now all but one. */
        if (file.count > 1) {
            size_t n = dropped % 2 == 0 || last ? file.count : file.count - 1;

            ck_assert_int_eq(fr_dead_letter_drop(&file, file.lines, n, &error), 0);
            dropped += n;
        }
        fr_dead_letter_file_close(&file);
        scan();
        fr_dead_letter_file_trim(&file);
        fr_dead_letter_file_close(&file);
    } while (!last);
    pthread_join(thread, NULL);
    ck_assert_uint_eq(dropped + count(), WRITTEN);
}
END_TEST

Suite *suite_dead_letter_file(void)
{
    Suite *suite = suite_create("dead_letter_file");
    TCase *tests = tcase_create("dead_letter_file");

    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_set_timeout(tests, 120);
    tcase_add_test(tests, lines_of_both_files_are_found_oldest_first);
    tcase_add_test(tests, long_lines_are_found);
    tcase_add_test(tests, ids_name_one_line);
    tcase_add_test(tests, dropped_lines_stay_json_and_empty_files_are_emptied);
    tcase_add_test(tests, a_writer_loses_no_line);
    suite_add_tcase(suite, tests);
    return suite;
}
