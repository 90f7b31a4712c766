/*
 * Recognises messages that a vehicle sends again because the acknowledgement was lost.
 *
 * A message is identified by vehicle, topic, txid, creation time and payload, as two 64-bit hashes
 * with a random secret. The oldest of the remembered messages is replaced. One thread at a time.
 */
#ifndef FR_DEDUP_H
#define FR_DEDUP_H

#include <stdbool.h>
#include <stddef.h>

#include "record/record.h"

struct fr_dedup;

/* Remember up to `max` messages; 0: none. The caller frees the result. */
struct fr_dedup *fr_dedup_new(size_t max);
void fr_dedup_free(struct fr_dedup *dedup);

/* Whether the message is remembered; otherwise it is remembered from now on. Always false for a
 * record without a txid. */
bool fr_dedup_seen(struct fr_dedup *dedup, const struct fr_record *record);

#endif
