/* A fleet over several processes of fleetrouted. */
#ifndef BENCH_FLEET60K_H
#define BENCH_FLEET60K_H

/* --vehicles (60,000) over --processes (4), each with 20,000 file descriptors: idle, then --rate
 * (0.05) messages per second of each vehicle, each for --seconds (600), then all processes are
 * killed and started again, and the vehicles reconnect at once and send for 30 s more. Prints
 * memory, CPU time, delays, and what was acknowledged and is not in the archive. */
void fleet60k_run(void);

#endif
