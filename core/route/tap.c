#include "route/tap.h"

#include <stdatomic.h>

static struct {
    void (*listener)(void *ctx, struct fr_record *record);
    void *ctx;
    _Atomic bool on;
} tap;

void fr_tap_set(void (*listener)(void *ctx, struct fr_record *record), void *ctx)
{
    tap.listener = listener;
    tap.ctx = ctx;
}

void fr_tap_on(bool on)
{
    atomic_store(&tap.on, on);
}

void fr_tap(struct fr_record *record)
{
    if (atomic_load_explicit(&tap.on, memory_order_acquire))
        tap.listener(tap.ctx, record);
}
