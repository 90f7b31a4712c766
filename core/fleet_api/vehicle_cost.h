/*
 * What a telemetry configuration costs: an estimate of the signals that a vehicle sends in a month,
 * and Tesla's price for them. A signal is one value of one field.
 */
#ifndef FR_VEHICLE_COST_H
#define FR_VEHICLE_COST_H

#include "fleet_api/vehicle_config.h"

/* Tesla's price (August 2026) and the credit of each account and month. */
#define FR_SIGNALS_PER_USD 150000
#define FR_CREDIT_USD_MONTH 10

/* The remedy of an estimate or a measured month over `tesla: budget:`, for messages. */
#define FR_BUDGET_REMEDY                                                                           \
    "raise `tesla: budget:`, and above Tesla's credit of US$ 10 also the billing limit of the "    \
    "application at developer.tesla.com, or set a longer `every:` for the fields that "            \
    "`fleetroute vehicle-config` prices highest"

/* Assumptions of the estimate. A number or a position changes within each interval while the
 * vehicle is awake; any other value is a state and changes this often. */
#define FR_VEHICLE_AWAKE_HOURS_MONTH 60
#define FR_VEHICLE_STATE_CHANGES_HOUR 12

/* The signals of a field in a month in which the vehicle is awake for these hours: min(changes,
 * 1/interval), and at least one for each resend interval. */
double fr_vehicle_cost_signals(const struct fr_vehicle_config_field *field, double awake_hours);

/* The signals of all fields. */
double fr_vehicle_cost_total(const struct fr_vehicle_config *config, double awake_hours);

/* The price of signals in US$. */
double fr_vehicle_cost_usd(double signals);

#endif
