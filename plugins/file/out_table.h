/*
 * out_table.h - the sink's files by path, and the order in which they were used. At most
 * FR_OUT_KNOWN_MAX are remembered, so that a path used again need not be looked at again.
 */
#ifndef FR_OUT_TABLE_H
#define FR_OUT_TABLE_H

#include "out_file.h"

#define FR_OUT_KNOWN_MAX 4096
#define FR_OUT_BUCKETS 4096

struct fr_out_table {
    struct fr_out *bucket[FR_OUT_BUCKETS];
    struct fr_out *newest, *oldest;
    size_t count;
};

/* NULL: not known. */
struct fr_out *fr_out_table_find(const struct fr_out_table *table, const char *path);

/* Add a file as the newest. */
void fr_out_table_add(struct fr_out_table *table, struct fr_out *out);

/* It is used: it becomes the newest. */
void fr_out_table_touch(struct fr_out_table *table, struct fr_out *out);

/* Take a file out; the caller frees it. */
void fr_out_table_remove(struct fr_out_table *table, struct fr_out *out);

#endif
