#include "unit.h"

#include <string.h>

#include "ingest/envelope.h"

static struct fr_span text(const char *word)
{
    return (struct fr_span){(const uint8_t *)word, strlen(word)};
}

START_TEST(written_envelope_reads_back)
{
    struct fr_envelope in = {.txid = text("tx-1"),
                             .topic = text("V"),
                             .payload = text("payload"),
                             .sender_id = text("vehicle_device.X"),
                             .device_type = text("vehicle_device"),
                             .device_id = text("X"),
                             .created_at = 1767225600};
    struct fr_buffer bytes = {0};
    struct fr_envelope out;

    fr_envelope_write_stream(&bytes, &in);
    ck_assert_int_eq(fr_envelope_read(bytes.bytes, bytes.len, &out), 0);
    ck_assert_int_eq(out.kind, FR_ENVELOPE_STREAM);
    ck_assert_uint_eq(out.payload.len, 7);
    ck_assert_mem_eq(out.payload.bytes, "payload", 7);
    ck_assert_mem_eq(out.sender_id.bytes, "vehicle_device.X", 16);
    ck_assert_uint_eq(out.created_at, 1767225600);
    fr_buffer_free(&bytes);
}
END_TEST

START_TEST(offsets_outside_the_buffer_are_malformed)
{
    static const uint8_t far_root[] = {0xff, 0xff, 0xff, 0x7f, 0, 0, 0, 0};
    /* A table whose vtable is itself: soffset 0. */
    static const uint8_t own_vtable[] = {4, 0, 0, 0, 0, 0, 0, 0};
    /* A vtable offset that points before the buffer. */
    static const uint8_t before[] = {4, 0, 0, 0, 0xff, 0xff, 0, 0, 0, 0};
    struct fr_envelope e;

    ck_assert_int_eq(fr_envelope_read(far_root, sizeof far_root, &e), -1);
    ck_assert_int_eq(fr_envelope_read(own_vtable, sizeof own_vtable, &e), -1);
    ck_assert_int_eq(fr_envelope_read(before, sizeof before, &e), -1);
    ck_assert_int_eq(fr_envelope_read(before, 0, &e), -1);
}
END_TEST

/* A message offset that points back into the envelope must not cause an endless loop. */
START_TEST(cyclic_offset_is_read_once)
{
    struct fr_envelope in = {.txid = text("t"), .topic = text("V")}, out;
    struct fr_buffer bytes = {0};

    fr_envelope_write_stream(&bytes, &in);
    /* The message offset is -8, which is far outside as an unsigned number. */
    memcpy(bytes.bytes + 28, "\xf8\xff\xff\xff", 4);
    ck_assert_int_eq(fr_envelope_read(bytes.bytes, bytes.len, &out), -1);
    /* The message offset is 0: the message starts at the offset itself. */
    memset(bytes.bytes + 28, 0, 4);
    fr_envelope_read(bytes.bytes, bytes.len, &out);
    fr_buffer_free(&bytes);
}
END_TEST

Suite *suite_envelope(void)
{
    Suite *suite = suite_create("envelope");
    TCase *tests = tcase_create("envelope");

    tcase_add_test(tests, written_envelope_reads_back);
    tcase_add_test(tests, offsets_outside_the_buffer_are_malformed);
    tcase_add_test(tests, cyclic_offset_is_read_once);
    suite_add_tcase(suite, tests);
    return suite;
}
