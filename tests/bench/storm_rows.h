/* The row of the benchmark in which all vehicles reconnect at once. */
#ifndef BENCH_STORM_ROWS_H
#define BENCH_STORM_ROWS_H

/* --vehicles connections (5,000), a server that is killed and started again, 50 vehicles that
 * connect first and send, and then all others at once: for the floor and for fleetrouted. */
void storm_rows(void);

#endif
