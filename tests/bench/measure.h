/* Measures a server process from outside: CPU time, memory, and whether all records are delivered. */
#ifndef BENCH_MEASURE_H
#define BENCH_MEASURE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "servers.h"

/* CPU time of all threads of a process, in s; 0 if it does not exist. */
double measure_cpu_seconds(pid_t pid);

/* Resident memory in kB: all of it, and the part without a file behind it. The pages of the journal
 * are in the first only. 0 if the process does not exist. */
long measure_resident_kb(pid_t pid);
long measure_anonymous_kb(pid_t pid);

/* Wait until every sink has delivered what is in the journal: `lag` and `unfinished` are 0. Returns
 * whether that was so within limit_ms; true for the floor. */
bool measure_wait_delivered(struct server server, int64_t limit_ms);

/* The counter `name` of fleetrouted's status; 0 for the floor. */
uint64_t measure_counter(struct server server, const char *name);

#endif
