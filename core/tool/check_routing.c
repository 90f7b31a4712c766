#include "tool/check_routing.h"

#include "config/vin.h"

static void check_vin(struct fr_setup *setup, const struct fr_vehicle *vehicle)
{
    char right = fr_vin_check_digit(vehicle->vin);

    if (right != '\0' && vehicle->vin[FR_VIN_CHECK_POSITION - 1] != right)
        fr_diagnose(
            &setup->diagnostics, FR_SEVERITY_WARNING, setup->server->routing, vehicle->line,
            vehicle->column,
            "the VIN %s is probably mistyped: its check digit in position 9 is %c, but the other "
            "characters give %c; compare it with the car's (the VINs of the simulated car "
            "have no right digit)",
            vehicle->vin, vehicle->vin[FR_VIN_CHECK_POSITION - 1], right);
}

void fr_check_routing(struct fr_setup *setup)
{
    struct fr_yaml_file file = {setup->server->path, &setup->diagnostics};
    const struct fr_routing *routing = setup->routing;
    uint64_t fed = 0;

    if (routing == NULL)
        return;
    for (size_t i = 0; i < routing->vehicle_count; i++)
        check_vin(setup, &routing->vehicles[i]);
    for (size_t i = 0; i < routing->record_count; i++)
        fed |= routing->records[i].sinks;
    for (size_t i = 0; i < routing->field_count; i++)
        fed |= routing->fields[i].sinks;
    for (size_t i = 0; i < setup->server->sink_count; i++)
        if (!(fed >> i & 1))
            fr_yaml_warn(&file, setup->server->sinks[i].node,
                         "the sink %s gets nothing: no route of %s leads to it; add a route with "
                         "`to: %s`, or remove the sink",
                         setup->server->sinks[i].name, setup->server->routing,
                         setup->server->sinks[i].name);
}
