#include "unit.h"

#include <stdlib.h>
#include <string.h>

#include "fleet_api/pairing_link.h"

static void check_link(const char *domain, const char *vin, const char *wanted)
{
    struct fr_error error;
    char *link = fr_pairing_link(domain, vin, &error);

    if (wanted == NULL)
        ck_assert_msg(link == NULL, "%s", domain);
    else
        ck_assert_str_eq(link, wanted);
    free(link);
}

START_TEST(the_link_needs_a_domain_name)
{
    static const char *const wrong[] = {"",
                                        "localhost",
                                        "https://example.com",
                                        "example.com/",
                                        "example.com:443",
                                        "192.0.2.1",
                                        "[2001:db8::1]",
                                        "-a.example.com",
                                        "a-.example.com",
                                        "a..example.com",
                                        ".a.example",
                                        "example.com.",
                                        "a_b.example.com",
                                        "a b.example.com",
                                        "a.example.com\n",
                                        "m\xc3\xbcller.de",
                                        "example.com?vin=1",
                                        "a%2e.com",
                                        "user@example.com",
                                        "1.2"};
    char label[80], name[400] = "", *link;
    struct fr_error error;

    check_link("telemetry.example.com", NULL, "https://tesla.com/_ak/telemetry.example.com");
    check_link("Tele-1.Example.COM", "5YJ3E1EA7KF000001",
               "https://tesla.com/_ak/tele-1.example.com?vin=5YJ3E1EA7KF000001");
    check_link("xn--mller-kva.de", NULL, "https://tesla.com/_ak/xn--mller-kva.de");
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        check_link(wrong[i], NULL, NULL);
    check_link("a.example", "5YJ3E1EA7KF00000", NULL);
    check_link("a.example", "5YJ3E1EA7KF0000012", NULL);
    check_link("a.example", "5YJ3E1EA7KF00000I", NULL);
    check_link("a.example", "5YJ3E1EA7KF0000&1", NULL);
    check_link("a.example", "", NULL);
    memset(label, 'a', 64);
    strcpy(label + 64, ".de");
    check_link(label, NULL, NULL);
    link = fr_pairing_link(label + 1, NULL, &error); /* 63 characters */
    ck_assert_ptr_nonnull(link);
    free(link);
    for (int i = 0; i < 126; i++)
        strcat(name, "a.");
    strcat(name, "d");
    ck_assert_uint_eq(strlen(name), 253);
    strcat(name, "e");
    check_link(name, NULL, NULL);
}
END_TEST

Suite *suite_pairing_link(void)
{
    Suite *suite = suite_create("pairing_link");
    TCase *tests = tcase_create("pairing_link");

    tcase_add_test(tests, the_link_needs_a_domain_name);
    suite_add_tcase(suite, tests);
    return suite;
}
