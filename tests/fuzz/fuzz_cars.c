/* The values and the state of vehicles, and the topics of the layout teslamate: no record and no file of
 * numbers crashes, and each payload has the form that the readers of TeslaMate's topics parse. */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "car_state/car_ids.h"
#include "deliveries.h"
#include "mqtt/teslamate_values.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

static struct fr_cars *cars;
static int64_t now_ms;

static bool is_named(size_t topic, const char *const *names)
{
    for (; *names != NULL; names++)
        if (strcmp(teslamate_topic_name(topic), *names) == 0)
            return true;
    return false;
}

static void check_payload(size_t topic, const char *text)
{
    static const char *const integers[] = {"power",
                                           "speed",
                                           "heading",
                                           "battery_level",
                                           "charger_power",
                                           "charger_phases",
                                           "charger_voltage",
                                           "charger_actual_current",
                                           "charge_limit_soc",
                                           NULL};
    static const char *const numbers[] = {
        "odometer", "latitude", "longitude", "inside_temp", "charge_energy_added", NULL};
    static const char *const json[] = {"location", "active_route", "software_update", NULL};
    char *end;

    if (is_named(topic, json))
        fuzz_check_json(text, strlen(text));
    if (is_named(topic, integers) && text[strspn(text, "-0123456789")] != '\0')
        abort();
    if ((is_named(topic, integers) || is_named(topic, numbers)) &&
        (!isfinite(strtod(text, &end)) || *end != '\0' || end == text || strcmp(text, "-0") == 0))
        abort();
}

static void check_car(const struct fr_car *car)
{
    static const struct teslamate_settings settings = {"Home", true};
    bool open;

    for (size_t i = 0; i < teslamate_topic_count(); i++) {
        struct fr_text_buffer payload = {0};

        if (teslamate_value(i, car, &settings, &payload))
            check_payload(i, fr_text_buffer_string(&payload));
        fr_text_buffer_free(&payload);
    }
    (void)fr_car_door_open(car, FR_DOOR_TRUNK_REAR, &open);
}

static void deliver(struct fr_delivery *d)
{
    struct fr_car *car = fr_cars_receive(cars, d, now_ms);

    if (car == NULL)
        abort();
    check_car(car);
}

/* The whole input as a presence record, which may come from a Kafka topic with other writers. */
static void receive_presence(const uint8_t *bytes, size_t len)
{
    struct fr_delivery d = {.kind = FR_DELIVERY_RECORD,
                            .vin = "V",
                            .record_type = len & 1 ? "presence" : "connectivity",
                            .format = FR_FORMAT_JSON,
                            .bytes = bytes,
                            .len = len};

    deliver(&d);
}

static void read_numbers(const uint8_t *bytes, size_t len)
{
    struct fr_car_ids *ids = fr_car_ids_new();
    char *text = malloc(len + 1);
    uint32_t first, second;

    if (len != 0)
        memcpy(text, bytes, len);
    text[len] = '\0';
    fr_car_ids_adopt(ids, text);
    first = fr_car_ids_get(ids, "5YJ3E1EA7KF000001");
    second = fr_car_ids_get(ids, "5YJ3E1EA7KF000002");
    if (first == 0 || second == 0 || first == second ||
        fr_car_ids_get(ids, "5YJ3E1EA7KF000001") != first || fr_car_ids_vin(ids, first) == NULL)
        abort();
    free(text);
    fr_car_ids_free(ids);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    if (len > 20000)
        return 0;
    cars = fr_cars_new();
    now_ms = 1800000000000;
    receive_presence(bytes, len);
    fuzz_deliveries(bytes, len, deliver);
    now_ms += 24 * 3600 * 1000;
    for (struct fr_car *car = fr_cars_first(cars); car != NULL; car = car->next) {
        (void)fr_car_update(car, now_ms, now_ms);
        check_car(car);
    }
    fr_cars_free(cars, NULL);
    read_numbers(bytes, len);
    return 0;
}
