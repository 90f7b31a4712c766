#include "route/program_age.h"

int64_t fr_program_age(const struct fr_record *record, int64_t wall_ms)
{
    int64_t measured_ms = fr_record_time_ns(record) / 1000000;

    return wall_ms - (measured_ms < record->received_ms ? measured_ms : record->received_ms);
}

bool fr_program_too_old(const struct program_run *run, int64_t max_age_ms)
{
    if (max_age_ms == 0 || run->age_ms <= max_age_ms)
        return false;
    run->program->counts.too_old++;
    return true;
}

int64_t fr_program_expiry(const struct program_run *run, int64_t max_age_ms)
{
    return max_age_ms == 0 ? INT64_MAX : run->wall_ms - run->age_ms + max_age_ms;
}
