/* Values of vehicles, of any kind and size, as rows and as vehicle_data of teslamate.so. Each 12 bytes are a field,
 * a kind and a value. Rows must have all columns, and integers without a decimal point. */
#include <ctype.h>
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "car_state/car_ids.h"
#include "teslamate/row.h"
#include "teslamate/vehicle_json.h"
#include "teslamate/vehicles.h"

#define VALUE_SIZE 12
#define VALUES_MAX 1000

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

/* The columns of which a decimal point is allowed. */
static bool is_real(int column)
{
    return column == ROW_ODOMETER || column == ROW_EST_LAT || column == ROW_EST_LNG;
}

static void check_row(const struct vehicle *vehicle)
{
    struct fr_text_buffer row = {0};
    int column = -1; /* the time */

    row_write(&row, vehicle->car, vehicle->as_of_ms, &row_all_columns);
    for (const char *c = fr_text_buffer_string(&row); *c != '\0'; c++)
        if (*c == ',')
            column++;
        else if (column == ROW_SHIFT_STATE
                     ? !isalpha((unsigned char)*c)
                     : !isdigit((unsigned char)*c) && *c != '-' && !(is_real(column) && *c == '.'))
            abort();
    if (column != ROW_COLUMNS - 1 || row.len > 256)
        abort();
    fr_text_buffer_free(&row);
}

static void check_json(const struct vehicle *vehicle)
{
    json_t *data = vehicle_json_data(vehicle);
    char *text = json_dumps(data, 0);

    if (text == NULL) /* a number that is not finite, or a text that is not UTF-8 */
        abort();
    free(text);
    json_decref(data);
}

static void on_event(void *ctx, struct vehicle *vehicle)
{
    (void)ctx, (void)vehicle;
}

static struct fr_value read_value(const uint8_t *bytes)
{
    struct fr_value value = {.kind = (enum fr_value_kind)(bytes[2] % (FR_VALUE_CLOCK + 1))};
    static const char *const choices[] = {"P", "D", "Charging", "Complete", "On", "Unknown", NULL};

    switch (value.kind) {
    case FR_VALUE_BOOL:
        value.boolean = bytes[4] & 1;
        break;
    case FR_VALUE_TEXT:
        value.text.bytes = (const char *)bytes + 4;
        value.text.len = bytes[3] % 9;
        break;
    case FR_VALUE_ENUM:
        value.choice.name = choices[bytes[4] % (sizeof choices / sizeof *choices)];
        break;
    case FR_VALUE_LOCATION:
        memcpy(&value.location.latitude, bytes + 4, 8);
        value.location.longitude = value.location.latitude;
        break;
    case FR_VALUE_NONE:
    case FR_VALUE_INVALID:
    case FR_VALUE_INT:
    case FR_VALUE_REAL:
    case FR_VALUE_DOORS:
    case FR_VALUE_TIRES:
    case FR_VALUE_CLOCK:
    default:
        memcpy(&value.integer, bytes + 4, 8);
        break;
    }
    return value;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    static const struct vehicles_events events = {on_event, on_event, on_event};
    static const char *const units[] = {"", "mi", "km", "mph", "%", "kW"};
    struct fr_car_ids *ids = fr_car_ids_new();
    struct vehicles *vehicles = ids != NULL ? vehicles_new(ids, &events, NULL) : NULL;
    int64_t at_ms = 1700000000000;

    for (size_t n = 0; vehicles != NULL && len >= VALUE_SIZE && n < VALUES_MAX;
         n++, bytes += VALUE_SIZE, len -= VALUE_SIZE) {
        struct fr_delivery d = {.size = sizeof d,
                                .kind = FR_DELIVERY_FIELD,
                                .vin = "5YJ3E1EA7KF000001",
                                .record_type = "V",
                                .name = "f",
                                .field_name = "f",
                                .client_version = "",
                                .field = bytes[0] | (bytes[1] & 1u) << 8,
                                .unit = units[(bytes[1] >> 1) % (sizeof units / sizeof *units)],
                                .value = read_value(bytes),
                                .created_ms = at_ms + bytes[3] * 10,
                                .received_ms = at_ms};

        if (!vehicles_receive(vehicles, &d, at_ms))
            abort();
        at_ms += 100;
    }
    if (vehicles != NULL && vehicles_first(vehicles) != NULL) {
        vehicles_flush(vehicles);
        check_row(vehicles_first(vehicles));
        check_json(vehicles_first(vehicles));
    }
    vehicles_free(vehicles);
    fr_car_ids_free(ids);
    return 0;
}
