/* The presence merged over front-ends: the txid that names a front-end, and any order of
 * statements. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "record/presence_origin.h"
#include "source/presence_merge.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

#define VEHICLES 4

static bool is_away[VEHICLES];
static int64_t published_ns[VEHICLES];

static void reset_model(void)
{
    memset(is_away, 0, sizeof is_away);
    memset(published_ns, 0, sizeof published_ns);
}

static void publish(unsigned vehicle, int64_t created_ns)
{
    if (created_ns <= published_ns[vehicle])
        abort(); /* the published times of a vehicle must grow */
    published_ns[vehicle] = created_ns;
}

static bool on_away(void *ctx, const char *vin, int64_t created_ns, bool expired)
{
    unsigned vehicle = (unsigned)(vin[1] - '0');

    (void)ctx, (void)expired;
    if (is_away[vehicle])
        abort(); /* twice in turn */
    is_away[vehicle] = true;
    publish(vehicle, created_ns);
    return true;
}

static void run_statement(struct fr_presence_merge *merge, const uint8_t *b)
{
    char vin[] = {'V', (char)('0' + b[0] % VEHICLES), '\0'};
    unsigned vehicle = b[0] % VEHICLES;
    struct fr_merge_statement s = {.vin = vin,
                                   .part = vehicle,
                                   .claimant = (const char *)b + 1,
                                   .claimant_len = 1,
                                   .instance = b[2] & 3,
                                   .sequence = b[2] >> 2,
                                   .lease_ms = (b[3] & 1) != 0 ? 0 : (b[3] >> 2) * 1000 + 3000,
                                   .connected = (b[3] & 2) != 0,
                                   .created_ns = b[4] * INT64_C(1000000000)};
    struct fr_merge_result result;

    if (fr_presence_merge_state(merge, &s, &result) != FR_MERGE_CONNECTED)
        return;
    is_away[vehicle] = false;
    publish(vehicle, result.created_ns);
}

static void run_merge(const uint8_t *bytes, size_t len)
{
    struct fr_presence_merge *merge = fr_presence_merge_new(10000, VEHICLES);

    reset_model();
    for (; len >= 6; bytes += 6, len -= 6) {
        if (bytes[5] == 255) { /* another consumer takes over */
            unsigned part = bytes[0] % VEHICLES;

            fr_presence_merge_drop_part(merge, part);
            is_away[part] = false;
            published_ns[part] = 0;
        } else {
            size_t count;

            run_statement(merge, bytes);
            count = fr_presence_merge_count(merge);
            fr_presence_merge_advance(merge, bytes[5] * 100, bytes[4] * INT64_C(1000000000),
                                      on_away, NULL);
            if (fr_presence_merge_count(merge) < count)
                reset_model(); /* a vehicle was removed some time after it was away */
        }
    }
    fr_presence_merge_free(merge);
}

/* A valid origin must read back unchanged after it is written. */
static void run_origin(const uint8_t *bytes, size_t len)
{
    struct fr_presence_origin origin, back;
    char text[FR_PRESENCE_ORIGIN_MAX];
    size_t size;

    if (!fr_presence_origin_read((const char *)bytes, len, &origin))
        return;
    size = fr_presence_origin_write(&origin, text);
    if (!fr_presence_origin_read(text, size, &back) ||
        strcmp(back.front_end, origin.front_end) != 0 || back.instance != origin.instance ||
        back.sequence != origin.sequence || back.lease_ms != origin.lease_ms)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    (void)fr_presence_is_relayed(bytes, len);
    run_origin(bytes, len);
    run_merge(bytes, len);
    return 0;
}
