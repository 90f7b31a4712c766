/*
 * api_vehicles.h - the vehicles for pages and scripts: a list that is searched, filtered, sorted and
 * divided into pages here, and everything that is known of one vehicle.
 *
 * The functions run in a thread of jobs.h, with a context of their own, so that 50,000
 * vehicles do not delay the event loop.
 */
#ifndef FR_API_VEHICLES_H
#define FR_API_VEHICLES_H

#include "admin/http_types.h"
#include "record/record_types.h"

struct fr_history;

/* The ctx of the other functions, from that of the listener (struct fr_daemon); and its end. Main
 * thread. */
void *fr_api_vehicles_prepare(void *daemon);
void fr_api_vehicles_release(void *ctx);

/* GET /api/vehicles, also under its older name /vehicles: ?find=TEXT&state=STATE&sort=KEY&order=asc|desc&offset=N&limit=N
 *
 * find: a part of the VIN or of the name, in any case. state: connected, disconnected, silent
 * (connected for FR_API_SILENT_MS, and no record in this time), misbehaving (a rejected message within
 * FR_API_MISBEHAVING_MS). sort: last_seen, vin, name, records, faults, state. */
int fr_api_vehicles_list(void *ctx, const struct fr_http_call *call, struct fr_buffer *out);

#define FR_API_SILENT_MS (INT64_C(10) * 60 * 1000)
#define FR_API_MISBEHAVING_MS (INT64_C(3600) * 1000)
#define FR_API_LIMIT_MAX 1000

/* GET /api/vehicles/{vin}: presence, counts, and the last value of each field. 404 for a vehicle of
 * which nothing is known. */
int fr_api_vehicle(void *ctx, const struct fr_http_call *call, struct fr_buffer *out);

/* The VIN of the vehicle that a path names: by its VIN, or as it is displayed. Returns false if it is
 * not in the table of presence. */
bool fr_api_vehicle_vin(void *ctx, const char *text, char vin[FR_VIN_MAX + 1]);

/* The history; NULL: off. */
struct fr_history *fr_api_vehicles_history(const void *ctx);

#endif
