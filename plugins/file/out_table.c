#include "out_table.h"

#include <string.h>

#include "text_hash.h"

static struct fr_out **table_bucket_of(struct fr_out_table *table, const char *path)
{
    return &table->bucket[fr_text_hash(path) % FR_OUT_BUCKETS];
}

static void table_unlink_use(struct fr_out_table *table, struct fr_out *out)
{
    if (out->newer != NULL)
        out->newer->older = out->older;
    else
        table->newest = out->older;
    if (out->older != NULL)
        out->older->newer = out->newer;
    else
        table->oldest = out->newer;
    out->newer = out->older = NULL;
}

static void table_link_newest(struct fr_out_table *table, struct fr_out *out)
{
    out->older = table->newest;
    if (table->newest != NULL)
        table->newest->newer = out;
    else
        table->oldest = out;
    table->newest = out;
}

struct fr_out *fr_out_table_find(const struct fr_out_table *table, const char *path)
{
    struct fr_out *out = *table_bucket_of((struct fr_out_table *)(uintptr_t)table, path);

    while (out != NULL && strcmp(out->path, path) != 0)
        out = out->next_in_bucket;
    return out;
}

void fr_out_table_add(struct fr_out_table *table, struct fr_out *out)
{
    struct fr_out **bucket = table_bucket_of(table, out->path);

    out->next_in_bucket = *bucket;
    *bucket = out;
    table_link_newest(table, out);
    table->count++;
}

void fr_out_table_touch(struct fr_out_table *table, struct fr_out *out)
{
    if (table->newest == out)
        return;
    table_unlink_use(table, out);
    table_link_newest(table, out);
}

void fr_out_table_remove(struct fr_out_table *table, struct fr_out *out)
{
    struct fr_out **at = table_bucket_of(table, out->path);

    while (*at != out)
        at = &(*at)->next_in_bucket;
    *at = out->next_in_bucket;
    table_unlink_use(table, out);
    table->count--;
}
