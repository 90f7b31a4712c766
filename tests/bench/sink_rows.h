/* The rows of the benchmark about sink plugins, each with its real local server. */
#ifndef BENCH_SINK_ROWS_H
#define BENCH_SINK_ROWS_H

/* Run sinks.py, and print and store its rows. */
void sink_rows(void);

#endif
