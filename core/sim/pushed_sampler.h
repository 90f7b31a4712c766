/*
 * Which values a vehicle sends at which time, as its pushed configuration requires: only configured
 * fields, each at most once in its interval, when it changed by at least its minimum delta or its
 * resend interval has passed. One thread at a time uses a sampler.
 */
#ifndef FR_PUSHED_SAMPLER_H
#define FR_PUSHED_SAMPLER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sim/pushed_config.h"
#include "sim/sim_message.h"

struct fr_pushed_sampler;

/* Make a sampler, which has sent nothing yet. The configuration must outlive it. The caller frees
 * it. */
struct fr_pushed_sampler *fr_pushed_sampler_new(const struct fr_pushed_config *config);
void fr_pushed_sampler_free(struct fr_pushed_sampler *sampler);

/* Whether a field is configured. */
bool fr_pushed_sampler_has(const struct fr_pushed_sampler *sampler, uint32_t field);

/* Select from the current values of a vehicle those to send in the bucket that ends at `ms`, and
 * write them to `due`, which has a capacity of `count`. Returns their number. `ms` must not
 * decrease; each field is in `values` at most once. Texts must stay valid until the next call. */
size_t fr_pushed_sampler_select(struct fr_pushed_sampler *sampler, int64_t ms,
                                const struct fr_sim_datum *values, size_t count,
                                struct fr_sim_datum *due);

#endif
