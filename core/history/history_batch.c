#include "history/history_batch.h"

#include <stdlib.h>

#include "util/memory.h"

#define KEEP_VALUES 4096 /* memory for so many values is kept by fr_history_batch_clear() */
#define KEEP_ROWS 64

void fr_history_batch_add(struct fr_history_batch *b, const struct fr_batch_value *value,
                          const char *text)
{
    struct fr_batch_value *copy;

    if (b->count == b->capacity) {
        b->capacity = b->capacity == 0 ? 256 : b->capacity * 2;
        b->values = fr_realloc(b->values, b->capacity, sizeof *b->values);
    }
    copy = &b->values[b->count];
    *copy = *value;
    copy->order = (uint32_t)b->count++;
    if (value->kind != FR_BATCH_STATE || value->state.text_len == 0)
        return;
    copy->state.text = (uint32_t)b->texts.len;
    fr_buffer_append(&b->texts, text, value->state.text_len);
    if (b->texts.failed)
        copy->kind = FR_BATCH_COUNT;
}

void fr_history_batch_add_row(struct fr_history_batch *b, const struct fr_batch_row *row)
{
    if (b->row_count == b->row_capacity) {
        b->row_capacity = b->row_capacity == 0 ? 16 : b->row_capacity * 2;
        b->rows = fr_realloc(b->rows, b->row_capacity, sizeof *b->rows);
    }
    b->rows[b->row_count++] = *row;
}

bool fr_history_batch_full(const struct fr_history_batch *b)
{
    return b->count >= FR_HISTORY_BATCH_VALUES || b->texts.len >= FR_HISTORY_BATCH_TEXT ||
           b->row_count >= FR_HISTORY_BATCH_ROWS;
}

static int batch_compare(const void *left, const void *right)
{
    const struct fr_batch_value *a = left, *b = right;

    if (a->vehicle != b->vehicle)
        return a->vehicle->index < b->vehicle->index ? -1 : 1;
    if (a->field != b->field)
        return a->field < b->field ? -1 : 1;
    if (a->ms != b->ms)
        return a->ms < b->ms ? -1 : 1;
    return (a->order > b->order) - (a->order < b->order);
}

void fr_history_batch_sort(struct fr_history_batch *b)
{
    if (b->count != 0)
        qsort(b->values, b->count, sizeof *b->values, batch_compare);
}

void fr_history_batch_clear(struct fr_history_batch *b)
{
    b->count = b->row_count = 0;
    fr_buffer_clear(&b->texts);
    if (b->capacity > KEEP_VALUES) {
        free(b->values);
        b->values = NULL;
        b->capacity = 0;
    }
    if (b->row_capacity > KEEP_ROWS) {
        free(b->rows);
        b->rows = NULL;
        b->row_capacity = 0;
    }
}

void fr_history_batch_free(struct fr_history_batch *b)
{
    free(b->values);
    free(b->rows);
    fr_buffer_free(&b->texts);
}
