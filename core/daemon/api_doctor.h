/* api_doctor.h - GET /api/doctor: the result of the last `fleetroute doctor`. Main thread. */
#ifndef FR_API_DOCTOR_H
#define FR_API_DOCTOR_H

#include "admin/http_types.h"

/* The endpoint. Reads the file of `fleetroute doctor`, 256 kB at most. Without a usable result run_ms is
 * null, and `how` has the reason. */
int fr_api_doctor(void *daemon, const struct fr_http_call *call, struct fr_buffer *out);

#endif
