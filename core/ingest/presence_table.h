/*
 * The vehicles of presence: a hash table by VIN, and lists in the order of a time. The caller has the lock
 * of presence. The table owns the vehicles; no function fails.
 */
#ifndef FR_PRESENCE_TABLE_H
#define FR_PRESENCE_TABLE_H

struct fr_presence;
struct fr_presence_vehicle;
struct presence_list;

/* Prepare the table and the lists of a zeroed struct. */
void fr_presence_table_init(struct fr_presence *presence);

/* Free all vehicles and the table. */
void fr_presence_table_clear(struct fr_presence *presence);

/* Find a vehicle. NULL: it is not in the table. */
struct fr_presence_vehicle *fr_presence_table_lookup(const struct fr_presence *presence,
                                                     const char *vin);

/* Find a vehicle, or add it: zeroed, in no list. */
struct fr_presence_vehicle *fr_presence_table_add(struct fr_presence *presence, const char *vin);

/* Remove a vehicle from the table and from its list, and free it. */
void fr_presence_table_remove(struct fr_presence *presence, struct fr_presence_vehicle *vehicle);

/* Add a vehicle that is in no list at the end of one. */
void fr_presence_table_append(struct presence_list *list, struct fr_presence_vehicle *vehicle);

/* Remove a vehicle from the list that it is in, if any. */
void fr_presence_table_unlink(struct fr_presence_vehicle *vehicle);

#endif
