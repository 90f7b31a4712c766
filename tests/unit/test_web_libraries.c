/* The JavaScript libraries of the pages: read once, bounded, and named when they are missing. */
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "admin/web_libraries.h"
#include "util/log.h"

static char folder[] = "/tmp/fr-unit-libraries.XXXXXX";
static char path[128];
static struct fr_web_libraries *libraries;

static const char *in_folder(const char *name)
{
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static void write_bytes(const char *name, size_t len)
{
    FILE *file = fopen(in_folder(name), "w");

    ck_assert_ptr_nonnull(file);
    for (size_t i = 0; i < len; i++)
        fputc('\0', file);
    fclose(file);
}

static const struct fr_http_file *library(const char *name)
{
    fr_web_libraries_free(libraries);
    libraries = fr_web_libraries_read(folder);
    return fr_web_library(libraries, name);
}

START_TEST(missing_files_name_their_package)
{
    ck_assert_ptr_nonnull(strstr(library("chart.js")->missing, "package libjs-chart.js"));
    ck_assert_ptr_nonnull(strstr(library("leaflet.css")->missing, "package libjs-leaflet"));
    ck_assert_ptr_nonnull(strstr(library("images/layers.png")->missing, "package libjs-leaflet"));
    ck_assert_ptr_null(library("images/other.png"));
    ck_assert_ptr_null(library(""));
    ck_assert_ptr_null(fr_web_library(NULL, "chart.js"));
}
END_TEST

START_TEST(files_are_kept_with_type_and_etag)
{
    const struct fr_http_file *file;
    char etag[64];

    write_bytes("chart.js/chart.umd.js", 100000); /* the second of the names */
    file = library("chart.js");
    ck_assert_ptr_null(file->missing);
    ck_assert_uint_eq(file->len, 100000);
    ck_assert_str_eq(file->type, "text/javascript; charset=utf-8");
    ck_assert_uint_eq(strlen(file->etag), 34);
    snprintf(etag, sizeof etag, "%s", file->etag);
    write_bytes("chart.js/chart.min.js", 100001);
    file = library("chart.js");
    ck_assert_uint_eq(file->len, 100001);
    ck_assert_str_ne(file->etag, etag);
    unlink(in_folder("chart.js/chart.min.js")); /* what was read stays */
    ck_assert_uint_eq(fr_web_library(libraries, "chart.js")->len, 100001);
    write_bytes("leaflet/images/layers.png", 5);
    ck_assert_str_eq(library("images/layers.png")->type, "image/png");
}
END_TEST

START_TEST(unusable_files_count_as_missing)
{
    write_bytes("leaflet/leaflet.css", FR_WEB_LIBRARY_MAX);
    ck_assert_ptr_null(library("leaflet.css")->missing);
    write_bytes("leaflet/leaflet.css", FR_WEB_LIBRARY_MAX + 1);
    ck_assert_ptr_nonnull(strstr(library("leaflet.css")->missing, "too large"));
    write_bytes("leaflet/leaflet.css", 0);
    ck_assert_ptr_nonnull(library("leaflet.css")->missing);
    unlink(in_folder("leaflet/leaflet.css"));
    ck_assert_int_eq(mkfifo(in_folder("leaflet/leaflet.css"), 0600),
                     0); /* the start does not wait */
    ck_assert_ptr_nonnull(library("leaflet.css")->missing);
}
END_TEST

static void make_folders(void)
{
    ck_assert_ptr_nonnull(mkdtemp(folder));
    mkdir(in_folder("chart.js"), 0700);
    mkdir(in_folder("leaflet"), 0700);
    mkdir(in_folder("leaflet/images"), 0700);
    fr_log_set_level(FR_LOG_ERROR);
}

static void remove_folders(void)
{
    static const char *const files[] = {"chart.js/chart.min.js", "chart.js/chart.umd.js",
                                        "leaflet/leaflet.css", "leaflet/images/layers.png"};
    static const char *const folders[] = {"leaflet/images", "leaflet", "chart.js"};

    fr_web_libraries_free(libraries);
    libraries = NULL;
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        unlink(in_folder(files[i]));
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++)
        rmdir(in_folder(folders[i]));
    rmdir(folder);
    strcpy(folder + strlen(folder) - 6, "XXXXXX");
}

Suite *suite_web_libraries(void)
{
    Suite *suite = suite_create("web_libraries");
    TCase *tests = tcase_create("web_libraries");

    tcase_add_checked_fixture(tests, make_folders, remove_folders);
    tcase_add_test(tests, missing_files_name_their_package);
    tcase_add_test(tests, files_are_kept_with_type_and_etag);
    tcase_add_test(tests, unusable_files_count_as_missing);
    suite_add_tcase(suite, tests);
    return suite;
}
