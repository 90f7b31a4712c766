#include "fleet_api/vehicle_cost.h"

static bool vehicle_cost_is_state(const struct fr_field *field)
{
    return field->kind != FR_FIELD_REAL && field->kind != FR_FIELD_INTEGER &&
           field->kind != FR_FIELD_LOCATION;
}

double fr_vehicle_cost_signals(const struct fr_vehicle_config_field *field, double awake_hours)
{
    double an_hour = 3600.0 / field->interval_s;

    if (vehicle_cost_is_state(field->field) && an_hour > FR_VEHICLE_STATE_CHANGES_HOUR) {
        an_hour = FR_VEHICLE_STATE_CHANGES_HOUR;
        if (field->resend_s > 0 && 3600.0 / field->resend_s > an_hour)
            an_hour = 3600.0 / field->resend_s;
    }
    return an_hour * awake_hours;
}

double fr_vehicle_cost_total(const struct fr_vehicle_config *config, double awake_hours)
{
    double signals = 0;

    for (size_t i = 0; i < config->count; i++)
        signals += fr_vehicle_cost_signals(&config->fields[i], awake_hours);
    return signals;
}

double fr_vehicle_cost_usd(double signals)
{
    return signals / FR_SIGNALS_PER_USD;
}
