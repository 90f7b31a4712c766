/*
 * A week of one car in the history: the time to write it, the size on disk, and the time of each
 * request. Measures; asserts nothing.
 *
 *     make tests/bench/history && tests/bench/history [FOLDER]
 *
 * The car makes the simulator's trip twice a day, stretched 40 times (a drive of an hour, a charge of
 * half an hour), with its creation times in the past, and sends some values each 10 minutes between.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "history/history.h"
#include "journal/journal.h"
#include "sim/trip.h"
#include "util/clock.h"
#include "util/process.h"

#define VIN "5YJ3E1EA7KF000001"
#define STRETCH 40
#define DAYS 7
#define RUNS 50
#define SECOND INT64_C(1000)
#define HOUR (3600 * SECOND)
#define DAY (24 * HOUR)

static struct fr_journal *journal;
static size_t records, values;

static void ignore_writable(void *ctx)
{
    (void)ctx;
}

static void bench_fail(const struct fr_error *error)
{
    fprintf(stderr, "%s\n", error->text);
    exit(EXIT_FAILURE);
}

static void bench_enqueue(const struct fr_sim_datum *data, size_t count, int64_t ms)
{
    static struct fr_buffer payload;
    char txid[32];
    struct fr_record_source source = {.vin = VIN,
                                      .topic = (const uint8_t *)"V",
                                      .topic_len = 1,
                                      .txid = (const uint8_t *)txid,
                                      .client_version = "",
                                      .received_ms = ms + 50};
    struct fr_queue_entry entry = {.ack = false};
    struct fr_error error;

    if (count == 0)
        return;
    source.txid_len = (size_t)snprintf(txid, sizeof txid, "%zu", records);
    fr_buffer_clear(&payload);
    fr_sim_payload(&payload, data, count, VIN, ms * 1000000, false);
    source.payload = payload.bytes;
    source.payload_len = payload.len;
    entry.record = fr_record_new(&source, &error);
    if (entry.record == NULL)
        bench_fail(&error);
    fr_journal_enqueue(journal, &entry, 1);
    records++;
    values += count;
    if (records % 2000 == 0)
        fr_journal_flush(journal, 60000);
}

/* The values that have changed since `last`, once a second. */
static void bench_trip(int64_t start)
{
    struct fr_trip *trip = fr_trip_new(48.137, 11.575);
    struct fr_sim_datum data[FR_TRIP_DATA_MAX], last[FR_TRIP_DATA_MAX], changed[FR_TRIP_DATA_MAX];
    size_t last_count = 0;

    for (int64_t ms = 0; ms < fr_trip_duration_ms() * STRETCH; ms += SECOND) {
        size_t count = fr_trip_values(trip, ms / STRETCH, data), n = 0;

        for (size_t i = 0; i < count; i++)
            if (last_count == 0 || memcmp(&data[i], &last[i], sizeof data[i]) != 0)
                changed[n++] = data[i];
        bench_enqueue(changed, n, start + ms);
        memcpy(last, data, sizeof last);
        last_count = count;
    }
    fr_trip_free(trip);
}

static void bench_write_week(int64_t now)
{
    struct fr_trip *trip = fr_trip_new(48.137, 11.575);
    struct fr_sim_datum data[FR_TRIP_DATA_MAX];

    for (int64_t day = DAYS; day > 0; day--)
        for (int64_t ms = 0; ms < DAY; ms += 600 * SECOND) {
            int64_t at = now - day * DAY + ms;

            if (ms == 7 * HOUR || ms == 17 * HOUR)
                bench_trip(at);
            else if (ms % (10 * HOUR) < 7 * HOUR)
                bench_enqueue(data, fr_trip_values(trip, ms / HOUR, data) / 4, at);
        }
    fr_trip_free(trip);
    fr_journal_flush(journal, 60000);
}

static int bench_compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static double bench_now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static void bench_request(struct fr_history *history, const char *name, const char *query)
{
    struct fr_history_request request;
    struct fr_buffer out = {0};
    struct fr_error error;
    enum fr_history_what what;
    double times[RUNS];

    if (!fr_history_what_of(name, &what) ||
        fr_history_request_parse(&request, what, VIN, query, fr_wall_ms(), &error) != 0)
        bench_fail(&error);
    for (int i = 0; i < RUNS; i++) {
        double begun = bench_now_ms();

        fr_buffer_clear(&out);
        if (fr_history_query(history, &request, fr_monotonic_ms() + 60000, NULL, &out, &error) != 0)
            bench_fail(&error);
        times[i] = bench_now_ms() - begun;
    }
    qsort(times, RUNS, sizeof *times, bench_compare);
    printf("%-12s median %7.2f ms, max %7.2f ms, %7zu bytes  %s\n", name, times[RUNS / 2],
           times[RUNS - 1], out.len, query);
    fr_buffer_free(&out);
}

static void bench_requests(struct fr_history *history)
{
    static const char *const requests[][2] = {
        {"fields", "fields=Soc&from=-604800000&points=800"},
        {"fields", "fields=Soc,VehicleSpeed,PackCurrent,InsideTemp&from=-604800000&points=2000"},
        {"fields", "fields=Soc,VehicleSpeed,PackCurrent,InsideTemp&from=-86400000&points=2000"},
        {"fields", "fields=Soc,VehicleSpeed,PackCurrent,InsideTemp&from=-3600000&points=2000"},
        {"fields",
         "fields=Soc,VehicleSpeed,PackCurrent,PackVoltage,InsideTemp,OutsideTemp,EstBatteryRange,"
         "BatteryLevel,Odometer,GpsHeading,ACChargingPower,DCChargingPower,ChargerVoltage,"
         "ChargeAmps,Gear,DetailedChargeState&from=-604800000&points=2000"},
        {"track", ""},
        {"track", "from=-604800000&points=2000"},
        {"sessions", ""},
        {"alerts", ""},
        {"connections", ""},
        {"signals", ""},
    };

    for (size_t i = 0; i < sizeof requests / sizeof *requests; i++)
        bench_request(history, requests[i][0], requests[i][1]);
}

int main(int argc, char **argv)
{
    char folder[96] = "/tmp/fr-history.XXXXXX", path[128], journal_path[128];
    struct fr_journal_settings journal_settings = {.path = journal_path,
                                                   .size = 1000000000,
                                                   .retention_ms = 30 * DAY,
                                                   .commit_every_ms = 5,
                                                   .commit_records = 4000};
    struct fr_history_settings settings = {
        .folder = path, .size = 64000000, .keep_ms = 8 * DAY, .vehicles = 20};
    struct fr_history *history;
    struct fr_history_status status;
    struct fr_error error;
    int64_t begun, now = fr_wall_ms();
    char *command = NULL;

    if (argc > 1)
        snprintf(folder, sizeof folder, "%s/fr-history.XXXXXX", argv[1]);
    if (mkdtemp(folder) == NULL)
        return EXIT_FAILURE;
    snprintf(path, sizeof path, "%s/history", folder);
    snprintf(journal_path, sizeof journal_path, "%s/journal", folder);
    journal = fr_journal_start(&journal_settings, ignore_writable, NULL, &error);
    if (journal == NULL || fr_journal_register(journal, NULL, 0, &error) != 0)
        bench_fail(&error);
    bench_write_week(now);
    begun = fr_monotonic_ms();
    history = fr_history_start(journal, &settings, &error);
    if (history == NULL)
        bench_fail(&error);
    while (!fr_history_sync(history, 60000))
        ;
    fr_history_status(history, &status);
    printf("%zu records, %zu values: written in %lld ms, %.1f MB of %.0f MB, resident %ld kB\n",
           records, values, (long long)(fr_monotonic_ms() - begun), (double)status.used / 1e6,
           (double)status.size / 1e6, fr_resident_kb());
    bench_requests(history);
    printf("resident %ld kB\n", fr_resident_kb());
    fr_history_stop(history);
    fr_journal_stop(journal, true);
    fr_journal_free(journal);
    if (asprintf(&command, "rm -r '%s'", folder) > 0 && system(command) != 0)
        perror(folder);
    free(command);
    return EXIT_SUCCESS;
}
