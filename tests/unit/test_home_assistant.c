#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "home_assistant/alert.h"
#include "home_assistant/device_class.h"
#include "home_assistant/published.h"
#include "home_assistant/slug.h"
#include "home_assistant/state_text.h"
#include "home_assistant/vehicles.h"
#include "record/field_catalogue.h"
#include "safe_name.h"
#include "utf8.h"

#define NOW 1800000000000

static struct fr_entities *entities;
static struct fr_vehicles *vehicles;

static void setup(void)
{
    char reason[512];

    entities = fr_entities_load(source_file("etc/entities.yaml"), reason, sizeof reason);
    ck_assert_msg(entities != NULL, "%s", reason);
    vehicles = fr_vehicles_new(entities, 30000);
}

static void teardown(void)
{
    fr_vehicles_free(vehicles, NULL);
    fr_entities_free(entities);
}

/* ---- the catalogue --------------------------------------------------------------- */

static const struct fr_entity *entity_of(const char *field, bool own_only)
{
    for (size_t i = 0; i < fr_entities_count(entities); i++) {
        const struct fr_entity *e = fr_entities_get(entities, i);

        if (fr_words_find(&e->from, field) >= 0 && (!own_only || !e->derived))
            return e;
    }
    return NULL;
}

static const char *ha_unit(const char *unit)
{
    return strcmp(unit, "mi/h") == 0 ? "mph" : unit;
}

START_TEST(every_field_has_an_entity)
{
    for (uint32_t n = 0; n < fr_field_count(); n++) {
        const struct fr_field *field = fr_field_by_number(n);
        const struct fr_entity *e = entity_of(field->name, strcmp(field->name, "Soc") != 0);

        if (field->kind == FR_FIELD_NONE) {
            ck_assert_msg(e == NULL, "%s", field->name);
            continue;
        }
        ck_assert_msg(e != NULL, "%s has no entity", field->name);
        ck_assert_msg((field->kind == FR_FIELD_LOCATION) ==
                          (e->platform == FR_PLATFORM_DEVICE_TRACKER),
                      "%s", field->name);
        if (field->unit[0] != '\0' && field->kind != FR_FIELD_TIME) {
            ck_assert_msg(e->unit != NULL && strcmp(e->unit, ha_unit(field->unit)) == 0,
                          "%s: unit %s", field->name, e->unit != NULL ? e->unit : "none");
            ck_assert_msg(e->device_class == NULL || fr_class_has_unit(e->device_class, e->unit),
                          "%s: %s in %s", field->name, e->device_class, e->unit);
        }
    }
    for (size_t i = 0; i < fr_entities_count(entities); i++) {
        const struct fr_entity *e = fr_entities_get(entities, i);

        for (size_t k = 0; k < e->from.count; k++)
            ck_assert_msg(strcmp(e->from.word[k], "presence") == 0 ||
                              strcmp(e->from.word[k], "alerts") == 0 ||
                              fr_field_by_name(e->from.word[k]) != NULL,
                          "%s: there is no field %s", e->name, e->from.word[k]);
    }
}
END_TEST

START_TEST(options_match_the_enum_choices)
{
    for (uint32_t n = 0; n < fr_field_count(); n++) {
        const struct fr_field *field = fr_field_by_number(n);
        const struct fr_entity *e = entity_of(field->name, true);

        for (size_t i = 0; field->choices != NULL && i < field->choices->count; i++) {
            const char *name = field->choices->choices[i].name;
            bool none = strcmp(name, "Unknown") == 0 || strcmp(name, "Invalid") == 0 ||
                        strcmp(name, "SNA") == 0;

            ck_assert_msg((fr_words_find(&e->options, name) < 0) == none, "%s: %s", field->name,
                          name);
        }
        for (size_t i = 0; e != NULL && i < e->options.count; i++)
            ck_assert_msg(fr_enum_choice_named(field->choices, e->options.word[i],
                                               strlen(e->options.word[i])) != NULL,
                          "%s: %s", field->name, e->options.word[i]);
    }
}
END_TEST

START_TEST(mistakes_are_reported_with_positions)
{
    static const struct {
        const char *text, *reason;
    } mistakes[] = {
        {"fields:\n  - {field: Gear, nme: x}\n", "f:2:19: unknown key `nme:` of an entity"},
        {"derived:\n  - {name: x, most: [Soc]}\n",
         "f:2:15: unknown key `most:`: the key is now `max:`"},
        {"derived:\n  - {name: x, max: [Soc], platform: binary_sensor}\n",
         "f:2:5: `max:` requires `platform: sensor`"},
        {"fields:\n  - {field: Gear, name: x, platform: sensors}\n", "f:2:38: \"sensors\""},
        {"fields:\n  - {name: x}\n", "f:2:5: the entity \"x\" has no `field:`"},
        {"fields:\n  - {field: A, name: x}\n  - {field: B, name: X}\n",
         "f:3:5: the entity \"x\" is defined twice"},
        {"field: []\n", "f:1:1: unknown key `field:`"},
        {"fields: [{field: A, from: [B], name: x}]", "f:1:27: an entity has only one of"},
        {"derived: [{any: [A, B], name: x, platform: sensor}]", "f:1:11: `any:` requires"},
        {"derived: [{from: [A], name: x, platform: sensor, on_if: [B], options: [C]}]",
         "f:1:11: `on_if:` of a sensor requires two `options:`"},
        {"derived: [{product: [A], name: x, platform: sensor, unit: W}]",
         "f:1:11: `product:` requires"},
        {"derived: [{product: [A, B], name: x, platform: sensor}]", "f:1:11: `product:` requires"},
        {"derived: [{product: [A, B], scale: 1e999}]", "f:1:36: \"1e999\" is not a factor"},
        {"derived: [{product: [A, B], within: 0}]", "f:1:37: \"0\" is not a number of seconds"},
        {"derived: [{from: [A], enabled: maybe}]", "f:1:32: \"maybe\" is not valid here"},
        {"derived: [{from: [alerts], name: x, platform: sensor}]", "f:1:11: `from: [alerts]` and"},
        {"derived: [{from: [A], name: x, platform: event}]", "f:1:11: `from: [alerts]` and"},
        {"derived: [{from: [alerts], name: x, platform: event}]",
         "f:1:11: `platform: event` requires `options:`"},
        {"derived: [{from: [alerts], name: x, platform: event, options: [alarm, horn]}]",
         "f:1:11: \"horn\" is no kind of alert"},
        {"fields: {", "f:2:1: "},
        {"", "f: the file has neither"},
    };
    char reason[256];

    for (size_t i = 0; i < sizeof mistakes / sizeof *mistakes; i++) {
        ck_assert(fr_entities_parse(mistakes[i].text, strlen(mistakes[i].text), "f", reason,
                                    sizeof reason) == NULL);
        ck_assert_msg(strncmp(reason, mistakes[i].reason, strlen(mistakes[i].reason)) == 0,
                      "%s: %s", mistakes[i].text, reason);
    }
}
END_TEST

START_TEST(number_of_entities_is_limited)
{
    struct fr_text_buffer text = {0};
    struct fr_entities *parsed;
    char reason[256];

    fr_text_buffer_add(&text, "fields:\n");
    for (int i = 0; i < 2000; i++)
        fr_text_buffer_printf(&text, "  - {field: F%d, name: n%d}\n", i, i);
    parsed = fr_entities_parse(text.bytes, text.len, "f", reason, sizeof reason);
    ck_assert_msg(parsed != NULL, "%s", reason);
    fr_entities_free(parsed);
    fr_text_buffer_add(&text, "  - {field: X, name: x}\n");
    ck_assert(fr_entities_parse(text.bytes, text.len, "f", reason, sizeof reason) == NULL);
    ck_assert_str_eq(reason, "f:2002:5: the file has more than 2000 entities");
    fr_text_buffer_free(&text);
}
END_TEST

START_TEST(names_are_converted_to_ids)
{
    static const char *const names[][2] = {{"Melan Y", "melan_y"},
                                           {"  Melan-Y! ", "melan_y"},
                                           {"Käthe's Größe", "kathe_s_grose"},
                                           {"Łódź 3", "lodz_3"},
                                           {"АБ", ""},
                                           {"x", "x"},
                                           {"Škoda?? No", "skoda_no"}};
    char slug[64];

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        fr_entity_slug(names[i][0], slug, sizeof slug);
        ck_assert_str_eq(slug, names[i][1]);
    }
}
END_TEST

/* ---- states ---------------------------------------------------------------------- */

static struct fr_delivery value_of(const char *field, struct fr_value value, int64_t created_ms)
{
    return (struct fr_delivery){.kind = FR_DELIVERY_FIELD,
                                .vin = "5YJ3E1EA7KF000001",
                                .vehicle_name = "Melan Y",
                                .record_type = "V",
                                .created_ms = created_ms,
                                .received_ms = created_ms,
                                .name = field,
                                .field_name = field,
                                .unit = "",
                                .value = value};
}

static struct fr_ha_vehicle *receive(struct fr_delivery d)
{
    struct fr_ha_vehicle *v = fr_vehicles_receive(vehicles, &d, NOW);

    ck_assert(v != NULL);
    return v;
}

static struct fr_ha_vehicle *receive_choice(const char *field, const char *name, int64_t created_ms)
{
    return receive(
        value_of(field, (struct fr_value){.kind = FR_VALUE_ENUM, .choice = {name, 7}}, created_ms));
}

static struct fr_entity_state *state(struct fr_ha_vehicle *v, const char *id)
{
    struct fr_entity_state *s = v->states;

    while (s != NULL && strcmp(s->id, id) != 0)
        s = s->next;
    ck_assert_msg(s != NULL, "%s", id);
    return s;
}

START_TEST(states_of_gear)
{
    struct fr_ha_vehicle *v = receive_choice("Gear", "D", 1000);

    ck_assert_str_eq(state(v, "shift_state")->text, "D");
    ck_assert_str_eq(state(v, "driving")->text, "on");
    ck_assert_str_eq(state(v, "activity")->text, "Driving");
    receive_choice("Gear", "P", 500); /* older than the previous value */
    ck_assert_str_eq(state(v, "shift_state")->text, "D");
    receive(value_of("Gear", (struct fr_value){.kind = FR_VALUE_INVALID}, 2000));
    ck_assert_str_eq(state(v, "shift_state")->text, "P");
    ck_assert_str_eq(state(v, "driving")->text, "off");
    ck_assert_str_eq(state(v, "activity")->text, "Parked");
    receive_choice("Gear", "SNA", 2500);
    ck_assert_str_eq(state(v, "shift_state")->text, "P");
    state(v, "shift_state")->todo = 0;
    receive_choice("Gear", NULL, 3000); /* an enum number unknown to fleetroute becomes an option */
    ck_assert_str_eq(state(v, "shift_state")->text, "unknown(7)");
    ck_assert_str_eq(state(v, "shift_state")->unlisted, "unknown(7)");
    ck_assert_uint_eq(state(v, "shift_state")->todo, FR_TODO_ANNOUNCE | FR_TODO_PUBLISH);
}
END_TEST

/* The firmware version is a part of the device's description: each announcement has it. */
START_TEST(firmware_version_is_announced)
{
    char text[] = "2026.32.1 5f3a9c1d2e4b";
    struct fr_value version = {.kind = FR_VALUE_TEXT, .text = {text, strlen(text)}};
    struct fr_ha_vehicle *v = receive_choice("Gear", "D", 1000);

    ck_assert_str_eq(v->version, "");
    state(v, "shift_state")->todo = 0;
    receive(value_of("Version", version, 1000));
    ck_assert_str_eq(v->version, "2026.32.1");
    ck_assert_uint_eq(state(v, "shift_state")->todo, FR_TODO_ANNOUNCE);
    state(v, "shift_state")->todo = 0;
    receive(value_of("Version", version, 2000));
    ck_assert_uint_eq(state(v, "shift_state")->todo, 0);
    version.text.len = 0;
    receive(value_of("Version", version, 3000));
    ck_assert_str_eq(v->version, "2026.32.1");
}
END_TEST

START_TEST(states_from_several_fields)
{
    struct fr_value real = {.kind = FR_VALUE_REAL, .real = 70};
    struct fr_ha_vehicle *v = receive(value_of("BatteryLevel", real, 1000));

    ck_assert_str_eq(state(v, "battery")->text, "70");
    real.real = 68.44;
    receive(value_of("Soc", real, 900));
    ck_assert_str_eq(state(v, "battery")->text, "68.4");
    receive_choice("FdWindow", "Closed", 1000);
    ck_assert_str_eq(state(v, "windows")->text, "off");
    receive_choice("RpWindow", "PartiallyOpen", 1000);
    ck_assert_str_eq(state(v, "windows")->text, "on");
    receive_choice("RpWindow", "Closed", 2000);
    ck_assert_str_eq(state(v, "windows")->text, "off");
    real.real = 0;
    receive(value_of("DCChargingPower", real, 1000));
    ck_assert_str_eq(state(v, "charge_power")->text, "0");
    real.real = 11.04;
    receive(value_of("ACChargingPower", real, 1000));
    ck_assert_str_eq(state(v, "charge_power")->text, "11.04");
    receive(value_of("DoorState",
                     (struct fr_value){.kind = FR_VALUE_DOORS, .bits = FR_DOOR_TRUNK_REAR}, 1000));
    ck_assert_str_eq(state(v, "doors")->text, "on");
    ck_assert_str_eq(state(v, "trunk")->text, "on");
    ck_assert_str_eq(state(v, "frunk")->text, "off");
    receive(value_of("Locked", (struct fr_value){.kind = FR_VALUE_BOOL, .boolean = true}, 1));
    ck_assert_str_eq(state(v, "lock")->text, "off"); /* class lock: on is unlocked */
}
END_TEST

static struct fr_ha_vehicle *receive_real(const char *field, double real, int64_t created_ms)
{
    return receive(
        value_of(field, (struct fr_value){.kind = FR_VALUE_REAL, .real = real}, created_ms));
}

START_TEST(power_is_the_product_of_values_measured_together)
{
    struct fr_ha_vehicle *v = receive_real("PackVoltage", 400, 1000);
    struct fr_entity_state *power = state(v, "battery_power");

    ck_assert(power->incomplete);
    ck_assert_ptr_eq(power->text, NULL);
    receive_real("PackCurrent", -125.5, 61000); /* 60 s later: driving */
    ck_assert(!power->incomplete);
    ck_assert_uint_eq(power->todo, FR_TODO_ANNOUNCE | FR_TODO_PUBLISH);
    ck_assert_str_eq(power->text, "-50.2");
    ck_assert_str_eq(power->unit, "kW");
    ck_assert(power->is_number);
    power->todo = 0;
    receive_real("PackCurrent", 20, 61001); /* the voltage is older than 60 s */
    ck_assert_ptr_eq(power->text, NULL);
    ck_assert_uint_eq(power->todo, FR_TODO_PUBLISH);
    receive_real("PackVoltage", 402, 62000); /* charging */
    ck_assert_str_eq(power->text, "8.04");
    receive_real("PackVoltage", 500, 61500); /* older than the newest voltage */
    ck_assert_str_eq(power->text, "8.04");
    receive(value_of("PackVoltage", (struct fr_value){.kind = FR_VALUE_INVALID}, 63000));
    ck_assert_ptr_eq(power->text, NULL);
    receive_real("PackVoltage", 1e300, 64000);
    receive_real("PackCurrent", 1e300, 64000); /* the product is not finite */
    ck_assert_ptr_eq(power->text, NULL);
    receive_real("PackCurrent", 0, 65000);
    ck_assert_str_eq(power->text, "0");
}
END_TEST

/* ---- alerts ---------------------------------------------------------------------- */

static struct fr_alert_log *alert_log;

static struct fr_alert alert_of(const char *text, uint32_t flags, int64_t received_ms)
{
    struct fr_delivery d = {.vin = "V", .flags = flags, .received_ms = received_ms};
    json_t *json = json_loads(text, 0, NULL);
    struct fr_alert alert = {0};

    ck_assert_msg(json != NULL, "%s", text);
    if (!fr_alert_read(&alert, json, &d, alert_log, NOW, 300000))
        ck_assert_str_eq(alert.name, "");
    json_decref(json);
    return alert;
}

START_TEST(an_alert_is_live_once)
{
    /* NOW is 2027-01-15T08:00:00Z. */
    static const char alarm[] =
        "{\"name\": \"VCSEC_a133_alarmTriggered\", \"startedAt\": \"2027-01-15T07:59:30.5Z\"}";
    static const char *const never[] = {
        "{\"name\": \"a\"}",
        "{\"name\": \"a\", \"startedAt\": \"2027-01-15T07:54:59Z\"}",
        "{\"name\": \"a\", \"startedAt\": \"2027-01-15T08:05:01Z\"}",
        "{\"name\": \"a\", \"startedAt\": \"2027-01-15T07:59:00\"}",
        "{\"name\": \"a\", \"startedAt\": \"2027-1-15T07:59:00Z\"}",
        "{\"name\": \"a\", \"startedAt\": \"now\"}",
        "{\"name\": \"a\", \"startedAt\": 5}",
        ("{\"name\": \"a\", \"startedAt\": \"2027-01-15T07:59:00Z\", \"endedAt\": "
         "\"2027-01-15T07:59:30Z\"}"),
    };
    struct fr_alert first;

    alert_log = fr_alert_log_new();
    ck_assert(!alert_of(alarm, FR_FLAG_RESTORED, 7).live);
    ck_assert(!alert_of(alarm, FR_FLAG_REPEATED, 7).live);
    first = alert_of(alarm, FR_FLAG_LATE, 7);
    ck_assert(first.live);
    ck_assert_int_eq(first.started_ms, NOW - 30000);
    ck_assert_str_eq(first.kind, "alarm");
    ck_assert(alert_of(alarm, 0, 7).live);               /* the same delivery once more */
    ck_assert(!alert_of(alarm, FR_FLAG_RESEND, 8).live); /* sent again by the vehicle */
    for (size_t i = 0; i < sizeof never / sizeof *never; i++)
        ck_assert_msg(!alert_of(never[i], 0, 7).live, "%s", never[i]);
    fr_alert_log_free(alert_log);
}
END_TEST

START_TEST(names_of_alerts_are_bounded_and_plain)
{
    struct fr_text_buffer text = {0};

    alert_log = fr_alert_log_new();
    ck_assert_str_eq(alert_of("{\"name\": \"BCCEN_w095_AlarmTriggered\"}", 0, 1).kind, "alarm");
    ck_assert_str_eq(alert_of("{\"name\": \"VCSEC_a211_handlePullWithoutAuth\"}", 0, 1).kind,
                     "door_handle");
    ck_assert_str_eq(alert_of("{\"name\": \"alarmTriggered_x\"}", 0, 1).kind, "other");
    ck_assert_str_eq(alert_of("{\"name\": \"![a](b)\\n{{ä}}\"}", 0, 1).name, "__a__b________");
    fr_text_buffer_add(&text, "{\"name\": \"");
    for (int i = 0; i < 1000; i++)
        fr_text_buffer_byte(&text, 'x');
    fr_text_buffer_add(&text, "\"}");
    ck_assert_uint_eq(strlen(alert_of(text.bytes, 0, 1).name), FR_ALERT_NAME_SIZE - 1);
    fr_text_buffer_free(&text);
    ck_assert_str_eq(alert_of("{\"name\": 5}", 0, 1).name, "");
    ck_assert_str_eq(alert_of("{\"name\": \"\"}", 0, 1).name, "");
    ck_assert_str_eq(alert_of("[]", 0, 1).name, "");
    fr_alert_log_free(alert_log);
}
END_TEST

START_TEST(unusual_values_have_a_state)
{
    char long_text[600];
    struct fr_value text = {.kind = FR_VALUE_TEXT, .text = {long_text, sizeof long_text}};
    struct fr_ha_vehicle *v;

    memset(long_text, 'a', sizeof long_text);
    memcpy(long_text + 254, "\xc3\xa4", 2);
    v = receive(value_of("RouteLine", text, 1000));
    ck_assert_uint_eq(strlen(state(v, "route_line")->text), 254);
    text.text.len = 4;
    receive(value_of("VehicleSpeed", text, 1000));  /* "aaaa": not a speed */
    ck_assert_str_eq(state(v, "speed")->text, "0"); /* the catalogue's `invalid:` */
    receive(value_of("InsideTemp", text, 1000));
    ck_assert_ptr_eq(state(v, "inside_temperature")->text, NULL);
    receive(value_of("ScheduledDepartureTime",
                     (struct fr_value){.kind = FR_VALUE_INT, .integer = 1767225600}, 1000));
    ck_assert_str_eq(state(v, "scheduled_departure")->text, "2026-01-01T00:00:00+00:00");
    receive(value_of("field_999", (struct fr_value){.kind = FR_VALUE_INT, .integer = 5}, 1));
    ck_assert_str_eq(state(v, "field_999")->text, "5");
    ck_assert_str_eq(fr_vehicle_model("5YJYE1EA7KF000001"), "Model Y");
}
END_TEST

START_TEST(number_of_unknown_fields_is_limited)
{
    struct fr_value value = {.kind = FR_VALUE_INT, .integer = 5};
    char name[32];

    for (unsigned i = 0; i <= FR_UNKNOWN_FIELDS_MAX; i++) {
        struct fr_delivery d;

        snprintf(name, sizeof name, "field_%u", 100000 + i);
        d = value_of(name, value, 1);
        ck_assert_msg((fr_vehicles_receive(vehicles, &d, NOW) != NULL) ==
                          (i < FR_UNKNOWN_FIELDS_MAX),
                      "%u", i);
    }
}
END_TEST

START_TEST(route_with_a_name_creates_an_entity)
{
    struct fr_delivery d =
        value_of("VehicleSpeed", (struct fr_value){.kind = FR_VALUE_REAL, .real = 50}, 1000);
    struct fr_ha_vehicle *v;

    d.name = "Tempo";
    d.unit = "km/h";
    v = receive(d);
    ck_assert_str_eq(state(v, "tempo")->name, "Tempo");
    ck_assert_str_eq(state(v, "tempo")->unit, "km/h");
    state(v, "tempo")->todo = 0;
    d.unit = "mph";
    d.value.real = 31;
    receive(d);
    ck_assert_uint_eq(state(v, "tempo")->todo, FR_TODO_ANNOUNCE | FR_TODO_PUBLISH);
}
END_TEST

START_TEST(presence_overrides_connectivity)
{
    static const char on[] = "{\"status\":\"CONNECTED\"}", off[] = "{\"status\":\"DISCONNECTED\"}";
    struct fr_delivery d = {.kind = FR_DELIVERY_RECORD,
                            .vin = "V",
                            .record_type = "connectivity",
                            .format = FR_FORMAT_JSON,
                            .bytes = (const uint8_t *)on,
                            .len = sizeof on - 1,
                            .created_ms = 1000};
    struct fr_ha_vehicle *v = receive(d);

    ck_assert_str_eq(state(v, "connected")->text, "on");
    d.record_type = "presence";
    receive(d);
    d.record_type = "connectivity"; /* one of two connections has ended */
    d.bytes = (const uint8_t *)off;
    d.len = sizeof off - 1;
    receive(d);
    ck_assert_str_eq(state(v, "connected")->text, "on");
    d.record_type = "presence";
    receive(d);
    ck_assert_str_eq(state(v, "connected")->text, "off");
    d.bytes = (const uint8_t *)"{]";
    d.len = 2;
    receive(d);
    ck_assert_str_eq(state(v, "connected")->text, "off");
}
END_TEST

/* ---- positions ------------------------------------------------------------------- */

static struct fr_position receive_position(double latitude, int64_t created_ms, uint32_t flags)
{
    struct fr_delivery d = value_of(
        "Location", (struct fr_value){.kind = FR_VALUE_LOCATION, .location = {latitude, 13}},
        created_ms);

    d.flags = flags;
    return receive(d)->position;
}

START_TEST(only_live_positions_are_published_directly)
{
    const int64_t gap = 600000;
    struct fr_published published = {0};
    struct fr_position p = receive_position(52, NOW - 5000, 0);

    ck_assert(p.live);
    ck_assert_int_eq(fr_published_mode(&published, &p, gap),
                     FR_PUBLISH_DIRECT); /* no previous position */
    published = (struct fr_published){true, false, 52.1, 13, 0};
    ck_assert_int_eq(fr_published_mode(&published, &p, gap),
                     FR_PUBLISH_TWO_STEP); /* published before the connection */
    published = (struct fr_published){true, false, 52, 13, 0};
    ck_assert_int_eq(fr_published_mode(&published, &p, gap),
                     FR_PUBLISH_DIRECT); /* the same position */
    fr_published_update(&published, &p);
    p = receive_position(52.1, NOW - 1000, 0);
    ck_assert_int_eq(fr_published_mode(&published, &p, gap), FR_PUBLISH_DIRECT);
    fr_published_update(&published, &p);
    p = receive_position(52.2, NOW, FR_FLAG_REPEATED);
    ck_assert_int_eq(fr_published_mode(&published, &p, gap), FR_PUBLISH_TWO_STEP);
    p = receive_position(52.2, NOW + 1, FR_FLAG_RESTORED);
    ck_assert_int_eq(fr_published_mode(&published, &p, gap), FR_PUBLISH_TWO_STEP);
    p = receive_position(52.2, NOW + 2, 0);
    published.created_ms = NOW + 2 - gap - 1; /* longer ago than the gap */
    ck_assert_int_eq(fr_published_mode(&published, &p, gap), FR_PUBLISH_TWO_STEP);
    published.created_ms = NOW + 3;
    ck_assert_int_eq(fr_published_mode(&published, &p, gap), FR_PUBLISH_NOTHING);
}
END_TEST

START_TEST(old_positions_are_published_in_two_steps)
{
    struct fr_published published = {true, true, 52, 13, NOW - 50000};
    struct fr_position p = receive_position(52.1, NOW - 40000, 0);

    ck_assert(!p.live);
    ck_assert_int_eq(fr_published_mode(&published, &p, 600000), FR_PUBLISH_TWO_STEP);
    p = receive_position(52.2, NOW - 45000, 0); /* older than the previous position */
    ck_assert_double_eq(p.latitude, 52.1);
}
END_TEST

/* ---- names and UTF-8 ------------------------------------------------------------- */

START_TEST(names_are_escaped)
{
    static const char *const names[][2] = {{"5YJ3E1EA7KF000001", "5YJ3E1EA7KF000001"},
                                           {"../../etc/passwd", "%2E.%2F..%2Fetc%2Fpasswd"},
                                           {"a/b", "a%2Fb"},
                                           {"a%2Fb", "a%252Fb"},
                                           {"+#", "%2B%23"},
                                           {".", "%2E"},
                                           {"", "%"},
                                           {"\xff\n", "%FF%0A"}};
    struct fr_text_buffer text = {0};

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        fr_text_buffer_clear(&text);
        fr_safe_name(&text, names[i][0]);
        ck_assert_str_eq(fr_text_buffer_string(&text), names[i][1]);
    }
    fr_text_buffer_clear(&text);
    for (int i = 0; i < 100; i++)
        fr_text_buffer_printf(&text, "%.0f,", 1e300);
    ck_assert_uint_eq(text.len, 100 * 302);
    fr_text_buffer_free(&text);
}
END_TEST

START_TEST(utf8_characters_are_not_split)
{
    struct fr_text_buffer text = {0};

    ck_assert_uint_eq(fr_utf8_cut("a\xc3\xa4", 3, 2), 1);
    ck_assert_uint_eq(fr_utf8_cut("a\xc3\xa4", 3, 3), 3);
    ck_assert_uint_eq(fr_utf8_cut("\xf0\x9f\x9a\x97", 4, 3), 0);
    fr_utf8_append(&text, "a\xff\xe2\x82", 4);
    ck_assert_str_eq(fr_text_buffer_string(&text), "a\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");
    fr_text_buffer_free(&text);
}
END_TEST

Suite *suite_home_assistant(void)
{
    Suite *suite = suite_create("home_assistant");
    TCase *tests = tcase_create("all");

    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, every_field_has_an_entity);
    tcase_add_test(tests, options_match_the_enum_choices);
    tcase_add_test(tests, mistakes_are_reported_with_positions);
    tcase_add_test(tests, number_of_entities_is_limited);
    tcase_add_test(tests, names_are_converted_to_ids);
    tcase_add_test(tests, states_of_gear);
    tcase_add_test(tests, firmware_version_is_announced);
    tcase_add_test(tests, states_from_several_fields);
    tcase_add_test(tests, power_is_the_product_of_values_measured_together);
    tcase_add_test(tests, an_alert_is_live_once);
    tcase_add_test(tests, names_of_alerts_are_bounded_and_plain);
    tcase_add_test(tests, unusual_values_have_a_state);
    tcase_add_test(tests, number_of_unknown_fields_is_limited);
    tcase_add_test(tests, route_with_a_name_creates_an_entity);
    tcase_add_test(tests, presence_overrides_connectivity);
    tcase_add_test(tests, only_live_positions_are_published_directly);
    tcase_add_test(tests, old_positions_are_published_in_two_steps);
    tcase_add_test(tests, names_are_escaped);
    tcase_add_test(tests, utf8_characters_are_not_split);
    suite_add_tcase(suite, tests);
    return suite;
}
