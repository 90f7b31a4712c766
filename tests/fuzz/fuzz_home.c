/* The reader of the entity catalogue and the states of entities: no text crashes the reader, and
 * each accepted catalogue can be used. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "home_assistant/vehicles.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

static void use_entities(const struct fr_entities *entities, const uint8_t *bytes, size_t len)
{
    struct fr_vehicles *vehicles = fr_vehicles_new(entities, 30000);

    for (size_t i = 0; i < fr_entities_count(entities) * 4 && vehicles != NULL; i++) {
        const struct fr_entity *entity = fr_entities_get(entities, i / 4);
        struct fr_delivery d = {
            .kind = FR_DELIVERY_FIELD,
            .vin = "V",
            .record_type = "V",
            .created_ms = (int64_t)i + 1,
            .name = i % 3 != 0 ? entity->from.word[0] : "other",
            .field_name = entity->from.word[entity->from.count - 1],
            .unit = i % 2 != 0 ? "mi/h" : "",
            .value = {.kind = (enum fr_value_kind)(i % (FR_VALUE_CLOCK + 1))},
        };

        if (d.value.kind == FR_VALUE_TEXT) {
            d.value.text.bytes = (const char *)bytes;
            d.value.text.len = len;
        }
        if (fr_vehicles_receive(vehicles, &d, 1000) == NULL)
            __builtin_trap();
    }
    fr_vehicles_free(vehicles, NULL);
}

/* A presence record is JSON. It may come from a Kafka topic with other writers. */
static void receive_presence(const uint8_t *bytes, size_t len)
{
    static const char text[] = "derived: [{name: c, from: [presence], platform: binary_sensor}]";
    struct fr_delivery d = {.kind = FR_DELIVERY_RECORD,
                            .vin = "V",
                            .record_type = "presence",
                            .format = FR_FORMAT_JSON,
                            .bytes = bytes,
                            .len = len};
    char reason[256];
    struct fr_entities *entities =
        fr_entities_parse(text, sizeof text - 1, "f", reason, sizeof reason);
    struct fr_vehicles *vehicles = fr_vehicles_new(entities, 30000);

    fr_vehicles_receive(vehicles, &d, 1000);
    fr_vehicles_free(vehicles, NULL);
    fr_entities_free(entities);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    char reason[256];
    struct fr_entities *entities =
        fr_entities_parse((const char *)bytes, len, "fuzz.yaml", reason, sizeof reason);

    if (entities != NULL)
        use_entities(entities, bytes, len);
    else if (reason[0] == '\0')
        __builtin_trap();
    fr_entities_free(entities);
    receive_presence(bytes, len);
    return 0;
}
