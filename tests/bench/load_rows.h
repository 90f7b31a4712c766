/* The rows of the benchmark that put a server under a load of messages. */
#ifndef BENCH_LOAD_ROWS_H
#define BENCH_LOAD_ROWS_H

/* Fleets of 100, 2,000 and 10,000 vehicles and the saturated server, each after its floor. */
void load_rows_fleet(void);

/* 50 vehicles with 64 messages in flight, and 100 with 10 messages a second, each with one sink and
 * without a journal. */
void load_rows_saturated(void);
void load_rows_paced(void);

/* The cost of the journal in CPU time, delay of the acknowledgement, and disk space. */
void load_rows_journal(void);

#endif
