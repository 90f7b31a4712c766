#include "car_state/cars.h"

#include <stdlib.h>
#include <string.h>

#include "car_state/car_derived.h"
#include "text_hash.h"

#define BUCKETS 4096

struct fr_cars {
    struct fr_car *buckets[BUCKETS], *first, *last;
    size_t count;
};

struct fr_cars *fr_cars_new(void)
{
    return calloc(1, sizeof(struct fr_cars));
}

void fr_cars_free(struct fr_cars *cars, void (*free_own)(void *own))
{
    if (cars == NULL)
        return;
    while (cars->first != NULL) {
        struct fr_car *next = cars->first->next;

        if (cars->first->own != NULL && free_own != NULL)
            free_own(cars->first->own);
        fr_car_free(cars->first);
        cars->first = next;
    }
    free(cars);
}

struct fr_car *fr_cars_find(const struct fr_cars *cars, const char *vin)
{
    struct fr_car *found = cars->buckets[fr_text_hash(vin) % BUCKETS];

    while (found != NULL && strcmp(found->vin, vin) != 0)
        found = found->next_in_bucket;
    return found;
}

/* Find the vehicle with a VIN, or make it. NULL: too many vehicles, or no memory. */
static struct fr_car *cars_ensure(struct fr_cars *cars, const char *vin, int64_t now_ms)
{
    struct fr_car **bucket = &cars->buckets[fr_text_hash(vin) % BUCKETS];
    struct fr_car *found = fr_cars_find(cars, vin);

    if (found != NULL || cars->count == FR_CARS_MAX || (found = fr_car_new(vin, now_ms)) == NULL)
        return found;
    found->next_in_bucket = *bucket;
    *bucket = found;
    if (cars->last != NULL)
        cars->last->next = found;
    else
        cars->first = found;
    cars->last = found;
    cars->count++;
    return found;
}

struct fr_car *fr_cars_receive(struct fr_cars *cars, const struct fr_delivery *delivery,
                               int64_t now_ms)
{
    struct fr_car *car = cars_ensure(cars, delivery->vin, now_ms);

    if (car == NULL || !fr_car_receive(car, delivery))
        return NULL;
    fr_car_update(car, car->cause_ms, now_ms);
    return car;
}

struct fr_car *fr_cars_first(const struct fr_cars *cars)
{
    return cars->first;
}

size_t fr_cars_count(const struct fr_cars *cars)
{
    return cars->count;
}
