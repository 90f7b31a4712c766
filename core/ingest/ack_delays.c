#include "ingest/ack_delays.h"

unsigned fr_ack_delay_class(int64_t ms)
{
    unsigned power, class;

    if (ms < FR_ACK_DELAY_EXACT)
        return ms < 0 ? 0 : (unsigned)ms;
    power = 63 - (unsigned)__builtin_clzll((uint64_t)ms); /* 4 for 16 to 31 */
    if (power >= 17)
        return FR_ACK_DELAY_CLASSES - 1;
    class = (unsigned)(ms >> (power - 3)) - 8;
    return FR_ACK_DELAY_EXACT + (power - 4) * 8 + class;
}

int64_t fr_ack_delay_bound(unsigned class)
{
    unsigned step = class - FR_ACK_DELAY_EXACT, power = 4 + step / 8;

    if (class < FR_ACK_DELAY_EXACT)
        return class;
    return ((INT64_C(9) + step % 8) << (power - 3)) - 1;
}

int64_t fr_ack_delays_percentile(const uint64_t counts[FR_ACK_DELAY_CLASSES], unsigned percent)
{
    uint64_t total = 0, rank, seen = 0;
    unsigned class = 0;

    for (unsigned i = 0; i < FR_ACK_DELAY_CLASSES; i++)
        total += counts[i];
    if (total == 0)
        return -1;
    /* The number of delays that do not exceed the result, rounded up. */
    rank = total / 100 * percent + (total % 100 * percent + 99) / 100;
    for (; (seen += counts[class]) < rank; class ++)
        ;
    return fr_ack_delay_bound(class);
}
