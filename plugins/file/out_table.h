/*
 * The sink's files by path, and in the order of their last use. At most FR_OUT_KNOWN_MAX files are
 * kept, open or closed: a file that is opened again need not be checked again. The table does not
 * own the files. It is used on the sink's thread; all zero is an empty table.
 */
#ifndef FR_OUT_TABLE_H
#define FR_OUT_TABLE_H

#include "out_file.h"

#define FR_OUT_KNOWN_MAX 4096
#define FR_OUT_BUCKETS 4096

struct fr_out_table {
    struct fr_out *bucket[FR_OUT_BUCKETS];
    struct fr_out *newest, *oldest; /* by last use */
    size_t count;
};

/* Find a file by its path; NULL: not in the table. */
struct fr_out *fr_out_table_find(const struct fr_out_table *table, const char *path);

/* Add a file as the most recently used. */
void fr_out_table_add(struct fr_out_table *table, struct fr_out *out);

/* Make a file the most recently used. */
void fr_out_table_touch(struct fr_out_table *table, struct fr_out *out);

/* Remove a file; the caller frees it. */
void fr_out_table_remove(struct fr_out_table *table, struct fr_out *out);

#endif
