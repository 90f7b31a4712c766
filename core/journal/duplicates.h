/*
 * duplicates.h - the newest messages of vehicles, so that one that is sent again after a lost
 * acknowledgement is known for what it is.
 *
 * A message is known by vehicle, topic, txid, creation time and payload, as two hashes of 64 bits
 * with a secret; the oldest is forgotten when there are too many. One thread's.
 */
#ifndef FR_DUPLICATES_H
#define FR_DUPLICATES_H

#include <stdbool.h>
#include <stddef.h>

#include "record/record.h"

struct fr_duplicates;

/* Remember up to `most` messages. */
struct fr_duplicates *fr_duplicates_new(size_t most);
void fr_duplicates_free(struct fr_duplicates *duplicates);

/* Whether the message was seen before; it is remembered from now on. A record without a txid
 * never was. */
bool fr_duplicates_seen(struct fr_duplicates *duplicates, const struct fr_record *record);

#endif
