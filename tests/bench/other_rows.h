/* The rows of the benchmark about connections: handshakes, memory, a reconnect storm. */
#ifndef BENCH_OTHER_ROWS_H
#define BENCH_OTHER_ROWS_H

/* Handshakes for each second of CPU time. */
void other_rows_handshakes(void);

/* Memory of an idle vehicle, and of one that sends a message every two seconds. */
void other_rows_memory(void);

#endif
