#include "car_state/car_ids.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "safe_name.h"
#include "state_file.h"
#include "text_hash.h"

#define BUCKETS 4096
#define FILE_MAX (16u << 20) /* bytes */

struct car_id {
    struct car_id *next_by_vin, *next_by_id;
    uint32_t id;
    bool configured;
    char vin[]; /* escaped */
};

struct fr_car_ids {
    struct car_id *by_vin[BUCKETS], *by_id[BUCKETS];
    size_t count;
    uint32_t next; /* no lower number is free */
    bool dirty;
    char *path; /* NULL: not loaded */
};

struct fr_car_ids *fr_car_ids_new(void)
{
    struct fr_car_ids *ids = calloc(1, sizeof *ids);

    if (ids != NULL)
        ids->next = 1;
    return ids;
}

void fr_car_ids_free(struct fr_car_ids *ids)
{
    if (ids == NULL)
        return;
    for (size_t i = 0; i < BUCKETS; i++)
        while (ids->by_vin[i] != NULL) {
            struct car_id *next = ids->by_vin[i]->next_by_vin;

            free(ids->by_vin[i]);
            ids->by_vin[i] = next;
        }
    free(ids->path);
    free(ids);
}

static struct car_id *ids_find_vin(const struct fr_car_ids *ids, const char *vin)
{
    struct car_id *found = ids->by_vin[fr_text_hash(vin) % BUCKETS];

    while (found != NULL && strcmp(found->vin, vin) != 0)
        found = found->next_by_vin;
    return found;
}

static struct car_id *ids_find_id(const struct fr_car_ids *ids, uint32_t id)
{
    struct car_id *found = ids->by_id[id % BUCKETS];

    while (found != NULL && found->id != id)
        found = found->next_by_id;
    return found;
}

/* Add a vehicle that has no number. NULL: the limit is reached, or no memory. */
static struct car_id *ids_add(struct fr_car_ids *ids, const char *vin, uint32_t id)
{
    size_t size = strlen(vin) + 1;
    struct car_id *added = ids->count < FR_CARS_MAX ? malloc(sizeof *added + size) : NULL;
    struct car_id **by_vin = &ids->by_vin[fr_text_hash(vin) % BUCKETS];
    struct car_id **by_id = &ids->by_id[id % BUCKETS];

    if (added == NULL)
        return NULL;
    *added = (struct car_id){.next_by_vin = *by_vin, .next_by_id = *by_id, .id = id};
    memcpy(added->vin, vin, size);
    *by_vin = *by_id = added;
    ids->count++;
    return added;
}

/* Read a number from 1 to FR_CAR_ID_MAX at the start of `text`. Returns its length; 0: none. */
static size_t ids_read_number(const char *text, uint32_t *number)
{
    size_t len = 0;

    *number = 0;
    while (text[len] >= '0' && text[len] <= '9' && *number <= FR_CAR_ID_MAX / 10)
        *number = *number * 10 + (uint32_t)(text[len++] - '0');
    return *number >= 1 && *number <= FR_CAR_ID_MAX ? len : 0;
}

bool fr_car_ids_configure(struct fr_car_ids *ids, const char *vin, const char *number,
                          struct fr_text_buffer *why)
{
    struct fr_text_buffer escaped = {0};
    const struct car_id *other;
    struct car_id *added = NULL;
    uint32_t id;
    size_t len = ids_read_number(number, &id);

    fr_text_buffer_clear(why);
    fr_safe_name(&escaped, vin);
    if (len == 0 || number[len] != '\0')
        fr_text_buffer_printf(why, "a vehicle's number must be from 1 to %d", FR_CAR_ID_MAX);
    else if ((other = ids_find_id(ids, id)) != NULL)
        fr_text_buffer_printf(why, "number %u is given to %.60s too; give each vehicle its own",
                              (unsigned)id, other->vin);
    else if (!escaped.failed && ids_find_vin(ids, escaped.bytes) == NULL)
        added = ids_add(ids, escaped.bytes, id);
    if (added != NULL)
        added->configured = true;
    fr_text_buffer_free(&escaped);
    return added != NULL;
}

/* Adopt one line of the file, without its line feed. */
static void ids_adopt_line(struct fr_car_ids *ids, const char *line)
{
    uint32_t id;
    size_t len = ids_read_number(line, &id);
    const char *vin = line + len + 1;

    if (len != 0 && line[len] == ' ' && vin[0] != '\0' && ids_find_vin(ids, vin) == NULL &&
        ids_find_id(ids, id) == NULL)
        (void)ids_add(ids, vin, id);
}

void fr_car_ids_adopt(struct fr_car_ids *ids, char *content)
{
    for (char *line = content, *end; *line != '\0'; line = end) {
        end = line + strcspn(line, "\n");
        if (*end == '\n')
            *end++ = '\0';
        ids_adopt_line(ids, line);
    }
}

bool fr_car_ids_load(struct fr_car_ids *ids, const char *path, struct fr_text_buffer *why)
{
    struct fr_text_buffer content = {0};
    bool found;

    free(ids->path);
    ids->path = strdup(path);
    ids->dirty = true; /* numbers of the configuration are written too */
    found = fr_state_file_read(path, FILE_MAX, &content, why);
    if (found && content.len != 0)
        fr_car_ids_adopt(ids, content.bytes);
    fr_text_buffer_free(&content);
    return ids->path != NULL && (found || why->len == 0);
}

uint32_t fr_car_ids_get(struct fr_car_ids *ids, const char *vin)
{
    struct fr_text_buffer escaped = {0};
    struct car_id *found = NULL;

    fr_safe_name(&escaped, vin);
    if (!escaped.failed && (found = ids_find_vin(ids, escaped.bytes)) == NULL &&
        ids->count < FR_CARS_MAX) {
        while (ids_find_id(ids, ids->next) != NULL)
            ids->next++;
        found = ids_add(ids, escaped.bytes, ids->next);
        ids->dirty = ids->dirty || found != NULL;
    }
    fr_text_buffer_free(&escaped);
    return found != NULL ? found->id : 0;
}

const char *fr_car_ids_vin(const struct fr_car_ids *ids, uint32_t id)
{
    const struct car_id *found = ids_find_id(ids, id);

    return found != NULL ? found->vin : NULL;
}

bool fr_car_ids_save(struct fr_car_ids *ids, struct fr_text_buffer *why)
{
    struct fr_text_buffer content = {0};
    bool ok;

    fr_text_buffer_clear(why);
    if (!ids->dirty || ids->path == NULL)
        return true;
    for (size_t i = 0; i < BUCKETS; i++)
        for (const struct car_id *c = ids->by_vin[i]; c != NULL; c = c->next_by_vin)
            fr_text_buffer_printf(&content, "%u %s\n", (unsigned)c->id, c->vin);
    if (content.failed)
        fr_text_buffer_printf(why, "%s: no memory", ids->path);
    ok = !content.failed &&
         fr_state_file_write(ids->path, fr_text_buffer_string(&content), content.len, why);
    fr_text_buffer_free(&content);
    ids->dirty = !ok;
    return ok;
}
