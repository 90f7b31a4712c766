#include "journal/value_store_open.h"

#include <stdlib.h>

#include "journal/value_store_state.h"
#include "util/memory.h"

static const struct fr_unsynced_kind values_kind = {
    .name = "last values",
    .are = "are",
    .table = "values",
    .rebuilt = FR_COUNT_VALUES_REBUILT,
};

struct fr_value_store *fr_value_store_open(const char *folder, bool *fresh, struct fr_error *error)
{
    struct fr_value_store *store = fr_calloc(1, sizeof *store);

    if (fr_unsynced_open(&store->file, &values_kind, folder, FR_VALUE_STORE_MAX, fresh, error) == 0)
        return store;
    free(store);
    return NULL;
}

int fr_value_store_recover(struct fr_value_store *store, bool *fresh, struct fr_error *error)
{
    return fr_unsynced_recover(&store->file, fresh, error);
}

void fr_value_store_close(struct fr_value_store *store)
{
    if (store == NULL)
        return;
    fr_unsynced_close(&store->file);
    free(store);
}
