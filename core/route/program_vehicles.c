#include "route/program_vehicles.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "util/hash.h"
#include "util/memory.h"

/* Max vehicles in the table. Values of further vehicles have no slots and are not flagged late. */
#define VEHICLES_MAX (1u << 20)
#define INITIAL_BUCKETS 64

void fr_program_vehicles_init(struct fr_program *program)
{
    program->vehicle_buckets = INITIAL_BUCKETS;
    program->vehicles = fr_calloc(program->vehicle_buckets, sizeof(struct program_vehicle *));
}

void fr_program_vehicles_free(struct fr_program *program)
{
    for (size_t i = 0; i < program->vehicle_buckets; i++)
        for (struct program_vehicle *v = program->vehicles[i], *next; v != NULL; v = next) {
            next = v->next;
            free(v);
        }
    free(program->vehicles);
}

/* The name that the routing gives a vehicle; NULL: none. */
static const char *program_vehicle_name(const struct fr_routing *routing, const char *vin)
{
    for (size_t i = 0; i < routing->vehicle_count; i++)
        if (strcmp(routing->vehicles[i].vin, vin) == 0)
            return routing->vehicles[i].name;
    return NULL;
}

static void program_vehicles_grow(struct fr_program *program)
{
    size_t count = program->vehicle_buckets * 2;
    struct program_vehicle **buckets = fr_calloc(count, sizeof(struct program_vehicle *));

    for (size_t i = 0; i < program->vehicle_buckets; i++)
        for (struct program_vehicle *v = program->vehicles[i], *next; v != NULL; v = next) {
            next = v->next;
            v->next = buckets[v->hash & (count - 1)];
            buckets[v->hash & (count - 1)] = v;
        }
    free(program->vehicles);
    program->vehicles = buckets;
    program->vehicle_buckets = count;
}

struct program_vehicle *fr_program_vehicle(struct fr_program *program, const char *vin)
{
    uint64_t hash = fr_hash_text(vin, 0);
    struct program_vehicle *v = program->vehicles[hash & (program->vehicle_buckets - 1)];
    size_t size;

    for (; v != NULL; v = v->next)
        if (v->hash == hash && strcmp(v->vin, vin) == 0)
            return v;
    if (program->vehicle_count >= VEHICLES_MAX)
        return NULL;
    if (program->vehicle_count >= program->vehicle_buckets)
        program_vehicles_grow(program);
    size = strlen(vin) + 1;
    v = fr_calloc(1, sizeof *v + size);
    memcpy(v->vin, vin, size);
    v->hash = hash;
    v->id = program->vehicle_count++;
    v->name = program_vehicle_name(program->routing, vin);
    v->next = program->vehicles[hash & (program->vehicle_buckets - 1)];
    program->vehicles[hash & (program->vehicle_buckets - 1)] = v;
    return v;
}

void fr_program_vehicles_move(struct fr_program *program, struct fr_program *older)
{
    assert(program->vehicle_count == 0);
    fr_program_vehicles_free(program);
    program->vehicles = older->vehicles;
    program->vehicle_buckets = older->vehicle_buckets;
    program->vehicle_count = older->vehicle_count;
    older->vehicle_count = 0;
    fr_program_vehicles_init(older);
    for (size_t i = 0; i < program->vehicle_buckets; i++)
        for (struct program_vehicle *v = program->vehicles[i]; v != NULL; v = v->next) {
            v->name = program_vehicle_name(program->routing, v->vin);
            v->slots = 0;
        }
}
