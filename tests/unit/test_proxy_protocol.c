/* The PROXY header of load balancers, and the list of their networks. */
#include "unit.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#include "ingest/proxy_protocol.h"
#include "util/address.h"
#include "util/network.h"

#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"
#define V4                                                                                         \
    "\xcb\x00\x71\x07\x0a\x00\x00\x05\xc3\x50\x01\xbb" /* 203.0.113.7:50000 to 10.0.0.5:443 */
#define V6                                                                                         \
    "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x07"                                                   \
    "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x08\xc3\x50\x01\xbb"

/* A literal that may have NULs. */
#define PARSE(literal, header)                                                                     \
    fr_proxy_protocol_parse((const uint8_t *)(literal), sizeof(literal) - 1, header)

static void assert_source(const struct fr_proxy_header *header, const char *expected)
{
    char text[FR_ADDRESS_TEXT_SIZE];

    ck_assert(header->has_source);
    fr_address_text(&header->source, text);
    ck_assert_str_eq(text, expected);
}

START_TEST(source_address_is_read)
{
    struct fr_proxy_header header;

    ck_assert_int_eq(PARSE(SIGNATURE "\x21\x11\0\x0c" V4 "\x16\x03", &header), FR_PROXY_DONE);
    ck_assert_uint_eq(header.size, 28);
    assert_source(&header, "203.0.113.7:50000");
    ck_assert_int_eq(PARSE(SIGNATURE "\x21\x21\0\x24" V6, &header), FR_PROXY_DONE);
    ck_assert_uint_eq(header.size, 52);
    assert_source(&header, "[2001:db8::7]:50000");
    /* A TLV with 4 bytes, and one without. */
    ck_assert_int_eq(PARSE(SIGNATURE "\x21\x11\0\x16" V4 "\x03\0\x04wxyz\x04\0\0\x16", &header),
                     FR_PROXY_DONE);
    ck_assert_uint_eq(header.size, 38);
    assert_source(&header, "203.0.113.7:50000");
}
END_TEST

START_TEST(header_without_source_is_accepted)
{
    struct fr_proxy_header header;
    uint8_t unix_stream[232] = SIGNATURE "\x21\x31\0\xd8/run/client";

    ck_assert_int_eq(PARSE(SIGNATURE "\x20\0\0\0", &header), FR_PROXY_DONE);
    ck_assert(!header.has_source);
    ck_assert_uint_eq(header.size, 16);
    /* LOCAL: all after the length is skipped, whatever it is. */
    ck_assert_int_eq(PARSE(SIGNATURE "\x20\x11\0\x0c" V4, &header), FR_PROXY_DONE);
    ck_assert(!header.has_source);
    ck_assert_uint_eq(header.size, 28);
    ck_assert_int_eq(PARSE(SIGNATURE "\x20\xff\0\x02\xff\xff", &header), FR_PROXY_DONE);
    ck_assert_int_eq(PARSE(SIGNATURE "\x21\0\0\x03\x04\0\0", &header), FR_PROXY_DONE);
    ck_assert(!header.has_source);
    ck_assert_int_eq(fr_proxy_protocol_parse(unix_stream, sizeof unix_stream, &header),
                     FR_PROXY_DONE);
    ck_assert(!header.has_source);
    ck_assert_uint_eq(header.size, 232);
}
END_TEST

/* Each shorter piece asks for a number of bytes that is not beyond the header. */
START_TEST(pieces_are_incomplete)
{
    static const uint8_t bytes[] = SIGNATURE "\x21\x11\0\x0f" V4 "\x04\0\0";
    struct fr_proxy_header header;

    for (size_t len = 0; len < 31; len++) {
        ck_assert_int_eq(fr_proxy_protocol_parse(bytes, len, &header), FR_PROXY_INCOMPLETE);
        ck_assert_uint_eq(header.size, len < 16 ? 16 : 31);
    }
    ck_assert_int_eq(fr_proxy_protocol_parse(bytes, 31, &header), FR_PROXY_DONE);
    ck_assert_int_eq(PARSE("PROXY", &header), FR_PROXY_INCOMPLETE);
}
END_TEST

START_TEST(length_is_bounded)
{
    uint8_t bytes[FR_PROXY_HEADER_MAX] = SIGNATURE "\x21\x11\x02\x08" V4 "\x04\x01\xf9";
    struct fr_proxy_header header;

    ck_assert_int_eq(fr_proxy_protocol_parse(bytes, sizeof bytes - 1, &header),
                     FR_PROXY_INCOMPLETE);
    ck_assert_uint_eq(header.size, FR_PROXY_HEADER_MAX);
    ck_assert_int_eq(fr_proxy_protocol_parse(bytes, sizeof bytes, &header), FR_PROXY_DONE);
    bytes[15]++;
    ck_assert_int_eq(fr_proxy_protocol_parse(bytes, 16, &header), FR_PROXY_BAD);
    ck_assert_int_eq(header.fault, FR_PROXY_FAULT_TOO_LONG);
}
END_TEST

static void assert_fault(const char *bytes, size_t len, enum fr_proxy_fault fault)
{
    struct fr_proxy_header header;

    ck_assert_int_eq(fr_proxy_protocol_parse((const uint8_t *)bytes, len, &header), FR_PROXY_BAD);
    ck_assert_int_eq(header.fault, fault);
    ck_assert(!header.has_source);
    ck_assert_ptr_nonnull(fr_proxy_fault_text(fault));
}

#define ASSERT_FAULT(literal, fault) assert_fault(literal, sizeof(literal) - 1, fault)

START_TEST(other_bytes_are_refused)
{
    ASSERT_FAULT("\x16", FR_PROXY_FAULT_TLS);
    ASSERT_FAULT("PROXY ", FR_PROXY_FAULT_VERSION_1);
    ASSERT_FAULT("PROXY UNKNOWN\r\n", FR_PROXY_FAULT_VERSION_1);
    ASSERT_FAULT("G", FR_PROXY_FAULT_OTHER_BYTES);
    ASSERT_FAULT("PROXIES", FR_PROXY_FAULT_OTHER_BYTES);
    ASSERT_FAULT("\r\n\r\n\0\r\nQUIX", FR_PROXY_FAULT_OTHER_BYTES);
    ASSERT_FAULT(SIGNATURE "\x11", FR_PROXY_FAULT_VERSION);
    ASSERT_FAULT(SIGNATURE "\x31\x11\0\x0c" V4, FR_PROXY_FAULT_VERSION);
    ASSERT_FAULT(SIGNATURE "\x22", FR_PROXY_FAULT_COMMAND);
    ASSERT_FAULT(SIGNATURE "\x21\x11\xff\xff", FR_PROXY_FAULT_TOO_LONG);
    ASSERT_FAULT(SIGNATURE "\x20\0\xff\xff", FR_PROXY_FAULT_TOO_LONG);
    ASSERT_FAULT(SIGNATURE "\x21\x12\0\x0c" V4, FR_PROXY_FAULT_PROTOCOL);  /* UDP */
    ASSERT_FAULT(SIGNATURE "\x21\x10\0\x0c" V4, FR_PROXY_FAULT_PROTOCOL);  /* no transport */
    ASSERT_FAULT(SIGNATURE "\x21\x01\0\0", FR_PROXY_FAULT_PROTOCOL);       /* no family */
    ASSERT_FAULT(SIGNATURE "\x21\x41\0\x0c" V4, FR_PROXY_FAULT_PROTOCOL);  /* unknown family */
    ASSERT_FAULT(SIGNATURE "\x21\x11\0\x0b" V4, FR_PROXY_FAULT_TOO_SHORT); /* by one byte */
    ASSERT_FAULT(SIGNATURE "\x21\x21\0\x0c" V4, FR_PROXY_FAULT_TOO_SHORT); /* IPv4 as IPv6 */
    ASSERT_FAULT(SIGNATURE "\x21\x31\0\x0c" V4, FR_PROXY_FAULT_TOO_SHORT); /* IPv4 as Unix */
    ASSERT_FAULT(SIGNATURE "\x21\x11\0\x0d" V4 "\x04", FR_PROXY_FAULT_TLV);
    ASSERT_FAULT(SIGNATURE "\x21\x11\0\x0f" V4 "\x04\0\x01", FR_PROXY_FAULT_TLV);
    ASSERT_FAULT(SIGNATURE "\x21\x11\0\x0f" V4 "\x04\xff\xff", FR_PROXY_FAULT_TLV);
}
END_TEST

START_TEST(headers_are_recognised)
{
    ck_assert(fr_proxy_protocol_begins((const uint8_t *)SIGNATURE, 12));
    ck_assert(!fr_proxy_protocol_begins((const uint8_t *)SIGNATURE, 11));
    ck_assert(fr_proxy_protocol_begins((const uint8_t *)"PROXY TCP4", 10));
    ck_assert(!fr_proxy_protocol_begins((const uint8_t *)"PROXY", 5));
    ck_assert(!fr_proxy_protocol_begins((const uint8_t *)"\x16\x03\x01\x02\x00\x01\x00", 7));
}
END_TEST

/* ---- networks -------------------------------------------------------------------- */

static bool contains(const char *network_text, const char *address_text)
{
    struct sockaddr_storage address = {0};
    struct sockaddr_in v4 = {.sin_family = AF_INET};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
    struct fr_network network;
    struct fr_error error;

    ck_assert_int_eq(fr_network_parse(network_text, &network, &error), 0);
    if (inet_pton(AF_INET, address_text, &v4.sin_addr) == 1)
        memcpy(&address, &v4, sizeof v4);
    else {
        ck_assert_int_eq(inet_pton(AF_INET6, address_text, &v6.sin6_addr), 1);
        memcpy(&address, &v6, sizeof v6);
    }
    return fr_networks_contain(&network, 1, &address);
}

START_TEST(networks_have_their_addresses)
{
    ck_assert(contains("10.0.0.5", "10.0.0.5"));
    ck_assert(!contains("10.0.0.5", "10.0.0.4"));
    ck_assert(contains("10.0.0.5", "::ffff:10.0.0.5"));
    ck_assert(contains("::ffff:10.0.0.5", "10.0.0.5"));
    ck_assert(contains("10.1.0.0/16", "10.1.255.255"));
    ck_assert(!contains("10.1.0.0/16", "10.2.0.0"));
    ck_assert(contains("10.64.0.0/10", "10.127.1.1"));
    ck_assert(!contains("10.64.0.0/10", "10.128.1.1"));
    ck_assert(contains("10.0.0.6/31", "10.0.0.7"));
    ck_assert(!contains("10.0.0.6/31", "10.0.0.8"));
    ck_assert(contains("0.0.0.0/0", "203.0.113.7"));
    ck_assert(!contains("0.0.0.0/0", "2001:db8::1"));
    ck_assert(contains("fd00::/8", "fdff::1"));
    ck_assert(!contains("fd00::/8", "fe80::1"));
    ck_assert(contains("2001:db8::7", "2001:db8::7"));
    ck_assert(!contains("2001:db8::7", "2001:db8::8"));
    ck_assert(contains("::/0", "2001:db8::1"));
    ck_assert(!contains("::/0", "10.0.0.5"));
    ck_assert(!contains("::/0", "::ffff:10.0.0.5"));
    ck_assert(!fr_networks_contain(NULL, 0, &(struct sockaddr_storage){.ss_family = AF_INET}));
}
END_TEST

START_TEST(mistakes_in_networks_have_a_remedy)
{
    static const struct {
        const char *text, *part;
    } rows[] = {
        {"", "is not an IP address"},
        {"balancer.example.com", "is not an IP address"},
        {"10.0.0", "is not an IP address"},
        {"10.0.0.5:443", "is not an IP address"},
        {"[fd00::1]", "is not an IP address"},
        {"10.0.0.0/33", "from 0 to 32"},
        {"10.0.0.0/", "from 0 to 32"},
        {"10.0.0.0/-1", "from 0 to 32"},
        {"10.0.0.0/8x", "from 0 to 32"},
        {"10.0.0.0/0000000000008", "from 0 to 32"},
        {"fd00::/129", "from 0 to 128"},
        {"10.1.2.3/16", "write 10.1.0.0/16"},
        {"fd00::1/8", "write fd00::/8"},
        {"::ffff:10.1.2.3/112", "write ::ffff:10.1.0.0/112"},
        {"1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb:cccc:dddd", "is not an IP"},
    };
    struct fr_network network;
    struct fr_error error;

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        ck_assert_int_eq(fr_network_parse(rows[i].text, &network, &error), -1);
        ck_assert_msg(strstr(error.text, rows[i].part) != NULL, "%s: %s", rows[i].text, error.text);
    }
    ck_assert_int_eq(fr_network_parse("0.0.0.0/0", &network, &error), 0);
    ck_assert(fr_network_is_everything(&network));
    ck_assert_int_eq(fr_network_parse("::/0", &network, &error), 0);
    ck_assert(fr_network_is_everything(&network));
    ck_assert_int_eq(fr_network_parse("10.0.0.0/8", &network, &error), 0);
    ck_assert(!fr_network_is_everything(&network));
}
END_TEST

Suite *suite_proxy_protocol(void)
{
    Suite *suite = suite_create("proxy_protocol");
    TCase *tests = tcase_create("proxy_protocol");

    tcase_add_test(tests, source_address_is_read);
    tcase_add_test(tests, header_without_source_is_accepted);
    tcase_add_test(tests, pieces_are_incomplete);
    tcase_add_test(tests, length_is_bounded);
    tcase_add_test(tests, other_bytes_are_refused);
    tcase_add_test(tests, headers_are_recognised);
    tcase_add_test(tests, networks_have_their_addresses);
    tcase_add_test(tests, mistakes_in_networks_have_a_remedy);
    suite_add_tcase(suite, tests);
    return suite;
}
