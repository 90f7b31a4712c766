/* Changes of sections of YAML files: what is written, what is kept, and what is refused. */
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config/server_config.h"
#include "config/yaml_edit.h"
#include "config/yaml_edit_file.h"

#define MARK FR_YAML_EDIT_MARK "\n"

static char folder[32];
static char path[64], old[80];
static struct fr_error error;

static void begin(void)
{
    strcpy(folder, "/tmp/fr-edit.XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/f.yaml", folder);
    snprintf(old, sizeof old, "%s.old", path);
}

static void end(void)
{
    unlink(path);
    unlink(old);
    ck_assert_int_eq(rmdir(folder), 0); /* no temporary file stays */
}

static void put_file(const char *text)
{
    FILE *file = fopen(path, "w");

    ck_assert_ptr_nonnull(file);
    fputs(text, file);
    ck_assert_int_eq(fclose(file), 0);
}

static void assert_file(const char *name, const char *wanted)
{
    char text[8192] = "";
    FILE *file = fopen(name, "r");

    ck_assert_ptr_nonnull(file);
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    fclose(file);
    ck_assert_str_eq(text, wanted);
}

static struct fr_yaml_edit *open_text(const char *text)
{
    struct fr_yaml_edit *edit;

    put_file(text);
    edit = fr_yaml_edit_open(path, &error);
    ck_assert_msg(edit != NULL, "%s", error.text);
    return edit;
}

static void save(struct fr_yaml_edit *edit)
{
    ck_assert_msg(fr_yaml_edit_save(edit, 0640, NULL, NULL, NULL, &error) == 0, "%s", error.text);
    fr_yaml_edit_free(edit);
}

START_TEST(a_new_file_has_the_sections_in_order)
{
    struct fr_yaml_edit *edit = fr_yaml_edit_open(path, &error);
    struct stat file;

    ck_assert_ptr_nonnull(edit);
    ck_assert_int_eq(fr_yaml_edit_section(edit, "listen"), FR_YAML_SECTION_ABSENT);
    ck_assert_int_eq(fr_yaml_edit_set(edit, "listen", "{port: 443}", &error), 0);
    ck_assert_int_eq(fr_yaml_edit_set(edit, "routing", "routing.yaml", &error), 0);
    ck_assert_int_eq(fr_yaml_edit_put(edit, "tesla", "domain", "a.example", &error), 0);
    ck_assert_int_eq(fr_yaml_edit_put(edit, "tesla", "budget", "5", &error), 0);
    ck_assert_int_eq(fr_yaml_edit_put(edit, "tesla", "domain", "b.example", &error), 0);
    save(edit);
    assert_file(path, MARK "listen:\n  port: 443\n\n" MARK "routing: routing.yaml\n\n" MARK
                           "tesla:\n  domain: b.example\n  budget: 5\n");
    ck_assert_int_eq(stat(path, &file), 0);
    ck_assert_int_eq(file.st_mode & 07777, 0640);
    ck_assert_int_ne(access(old, F_OK), 0);
}
END_TEST

START_TEST(comments_order_and_other_sections_stay)
{
    static const char before[] = "# The owner's file.\n"
                                 "listen: {port: 1}   # mine\n"
                                 "\n"
                                 "# About tesla.\n" MARK "tesla:\n"
                                 "  domain: a.example  # gone with the line\n"
                                 "  # budget: 3\n"
                                 "# not indented, inside\n"
                                 "  port: 8443\n"
                                 "\n"
                                 "# About sinks.\n"
                                 "sinks:\n"
                                 "  a: {plugin: file}\n"
                                 "# The end.";
    struct fr_yaml_edit *edit = open_text(before);

    ck_assert_int_eq(chmod(path, 0600), 0);
    fr_yaml_edit_free(edit);
    edit = fr_yaml_edit_open(path, &error);
    ck_assert_int_eq(fr_yaml_edit_section(edit, "tesla"), FR_YAML_SECTION_OWNED);
    ck_assert_int_eq(fr_yaml_edit_section(edit, "sinks"), FR_YAML_SECTION_FOREIGN);
    ck_assert_int_eq(fr_yaml_edit_put(edit, "tesla", "client_id", "abc", &error), 0);
    ck_assert_int_eq(fr_yaml_edit_put(edit, "tesla", "port", NULL, &error), 0);
    ck_assert_int_eq(fr_yaml_edit_set(edit, "user", "fleetroute", &error), 0);
    save(edit);
    assert_file(path, "# The owner's file.\n"
                      "listen: {port: 1}   # mine\n"
                      "\n"
                      "# About tesla.\n" MARK "tesla:\n"
                      "  domain: a.example\n"
                      "  client_id: abc\n"
                      "  # budget: 3\n"
                      "# not indented, inside\n"
                      "\n"
                      "# About sinks.\n"
                      "sinks:\n"
                      "  a: {plugin: file}\n"
                      "# The end.\n\n" MARK "user: fleetroute\n");
    assert_file(old, before);
}
END_TEST

START_TEST(a_section_of_the_owner_is_refused)
{
    static const char before[] = "sinks:\n  a: {plugin: file}\n";
    struct fr_yaml_edit *edit = open_text(before);

    ck_assert_int_eq(fr_yaml_edit_put(edit, "sinks", "b", "{plugin: mqtt}", &error), -1);
    ck_assert_ptr_nonnull(strstr(error.text, "`sinks:` of yours"));
    fr_yaml_edit_adopt(edit, "sinks", "{a: {plugin: kafka}}"); /* another value */
    ck_assert_int_eq(fr_yaml_edit_section(edit, "sinks"), FR_YAML_SECTION_FOREIGN);
    save(edit);
    assert_file(path, before);
    ck_assert_int_ne(access(old, F_OK), 0);
}
END_TEST

START_TEST(the_section_of_the_package_is_adopted)
{
    struct fr_yaml_edit *edit = open_text("vehicles:\n"
                                          "  # - {vin: 5YJ3E1EA7KF000001}\n"
                                          "\n"
                                          "# Records.\n"
                                          "records:\n"
                                          "  - type: \"*\"\n"
                                          "    to: archive\n"
                                          "    # format: json\n"
                                          "fields:\n");

    fr_yaml_edit_adopt(edit, "records", "[{type: \"*\", to: archive}]");
    ck_assert_int_eq(fr_yaml_edit_section(edit, "vehicles"), FR_YAML_SECTION_EMPTY);
    ck_assert_int_eq(fr_yaml_edit_section(edit, "records"), FR_YAML_SECTION_OWNED);
    ck_assert_int_eq(fr_yaml_edit_set(edit, "vehicles", "[{vin: 5YJ, name: \"A: b\"}]", &error), 0);
    ck_assert_int_eq(
        fr_yaml_edit_set(edit, "records", "[{type: \"*\", to: [archive, home]}]", &error), 0);
    ck_assert_int_eq(fr_yaml_edit_set(edit, "fields", "[{field: \"*\", to: home}]", &error), 0);
    save(edit);
    assert_file(path, MARK "vehicles:\n"
                           "  - {vin: 5YJ, name: \"A: b\"}\n"
                           "  # - {vin: 5YJ3E1EA7KF000001}\n"
                           "\n"
                           "# Records.\n" MARK "records:\n"
                           "  - {type: \"*\", to: [archive, home]}\n"
                           "    # format: json\n" MARK "fields:\n"
                           "  - {field: \"*\", to: home}\n");
}
END_TEST

START_TEST(texts_are_read_back_as_they_were)
{
    static const char *const texts[] = {"plain",
                                        "a b",
                                        "https://h.example:8123/x",
                                        "%Y-%m-%d/%{type}.jsonl",
                                        "",
                                        " a",
                                        "a ",
                                        "true",
                                        "No",
                                        "null",
                                        "~",
                                        "a: b",
                                        "a #b",
                                        "-",
                                        "- a",
                                        "\"quoted\"",
                                        "back\\s",
                                        "tab\there",
                                        "new\nline",
                                        "caf\xc3\xa9",
                                        "{a}",
                                        "[a",
                                        "*",
                                        "&a",
                                        "!t",
                                        "a,b",
                                        "'",
                                        "0x10",
                                        "a:",
                                        ":a",
                                        "\x01",
                                        "?",
                                        "@x",
                                        "`x",
                                        "|",
                                        ">"};

    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct fr_yaml_edit *edit = open_text("");
        struct fr_buffer value = {0};

        fr_yaml_scalar(&value, texts[i]);
        ck_assert_msg(fr_yaml_edit_put(edit, "s", "k", fr_buffer_string(&value), &error) == 0, "%s",
                      texts[i]);
        ck_assert_int_eq(fr_yaml_edit_put(edit, "s", "l", "1", &error), 0); /* writes k again */
        ck_assert_str_eq(fr_yaml_get(fr_yaml_edit_value(edit, "s"), "k")->text, texts[i]);
        fr_buffer_free(&value);
        fr_yaml_edit_free(edit);
    }
}
END_TEST

START_TEST(unclear_files_are_refused)
{
    static const char *const refused[] = {"{listen: {port: 1}, user: x}\n", "- a\n", "a: [\n",
                                          "  listen: 1\n", "a: 1\na: 2\n"};
    struct fr_yaml_edit *edit;

    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        put_file(refused[i]);
        ck_assert_msg(fr_yaml_edit_open(path, &error) == NULL, "%s", refused[i]);
    }
    /* A section after the end of the document would be a second document. */
    edit = open_text("a: 1\n...\n");
    ck_assert_int_eq(fr_yaml_edit_set(edit, "b", "2", &error), -1);
    save(edit);
    assert_file(path, "a: 1\n...\n");
    /* The line of a quoted text that looks like a comment. */
    edit = open_text("a: \"x\n# y\"\n" MARK "b: 1\n");
    ck_assert_int_eq(fr_yaml_edit_set(edit, "b", "2", &error), 0);
    ck_assert_str_eq(fr_yaml_edit_value(edit, "a")->text, "x # y");
    fr_yaml_edit_free(edit);
}
END_TEST

static int refuse(const char *candidate, void *ctx, struct fr_error *refusal)
{
    struct fr_diagnostics diagnostics = {0};
    struct fr_server_config *config = fr_server_config_load(candidate, &diagnostics);

    *(size_t *)ctx = diagnostics.errors;
    ck_assert_ptr_nonnull(config);
    ck_assert_uint_eq(config->port, 0);
    fr_server_config_unref(config);
    fr_diagnostics_free(&diagnostics);
    return fr_error_set(refusal, "refused");
}

START_TEST(a_refused_text_leaves_the_file)
{
    struct fr_yaml_edit *edit = open_text("routing: r.yaml\n");
    size_t errors = 0;

    ck_assert_int_eq(fr_yaml_edit_set(edit, "listen", "{port: 0}", &error), 0);
    ck_assert_int_eq(fr_yaml_edit_save(edit, 0640, NULL, refuse, &errors, &error), -1);
    ck_assert_str_eq(error.text, "refused");
    ck_assert_uint_ge(errors, 3); /* the files of `tls:` */
    fr_yaml_edit_free(edit);
    assert_file(path, "routing: r.yaml\n");
}
END_TEST

START_TEST(a_change_by_another_program_is_kept)
{
    struct fr_yaml_edit *edit = open_text("a: 1\n");

    ck_assert_int_eq(fr_yaml_edit_set(edit, "b", "2", &error), 0);
    put_file("a: 3\n");
    ck_assert_int_eq(fr_yaml_edit_save(edit, 0640, NULL, NULL, NULL, &error), -1);
    ck_assert_ptr_nonnull(strstr(error.text, "changed by another program"));
    fr_yaml_edit_free(edit);
    assert_file(path, "a: 3\n");
}
END_TEST

Suite *suite_yaml_edit(void)
{
    Suite *s = suite_create("yaml_edit");
    TCase *t = tcase_create("yaml_edit");

    tcase_add_checked_fixture(t, begin, end);
    tcase_add_test(t, a_new_file_has_the_sections_in_order);
    tcase_add_test(t, comments_order_and_other_sections_stay);
    tcase_add_test(t, a_section_of_the_owner_is_refused);
    tcase_add_test(t, the_section_of_the_package_is_adopted);
    tcase_add_test(t, texts_are_read_back_as_they_were);
    tcase_add_test(t, unclear_files_are_refused);
    tcase_add_test(t, a_refused_text_leaves_the_file);
    tcase_add_test(t, a_change_by_another_program_is_kept);
    suite_add_tcase(s, t);
    return s;
}
