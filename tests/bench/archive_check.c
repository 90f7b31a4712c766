#include "archive_check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/memory.h"

struct archive_vehicle {
    unsigned char *seen; /* a bit for each message up to the last acknowledged one */
    uint32_t newest;     /* highest number so far */
};

/* Read the vehicle and the number, from 1, of a line. Returns whether it has them. */
static int archive_parse(const char *line, size_t *vehicle, uint32_t *number)
{
    static const char vin[] = "\"vin\":\"5YJ3E1EA7KF", txid[] = "\"txid\":\"";
    const char *at = strstr(line, vin), *id = strstr(line, txid), *dash;

    if (at == NULL || id == NULL)
        return 0;
    dash = strchr(id + sizeof txid - 1, '-');
    if (dash == NULL)
        return 0;
    *vehicle = strtoul(at + sizeof vin - 1, NULL, 10);
    *number = (uint32_t)strtoul(dash + 1, NULL, 10) + 1;
    return 1;
}

static void archive_count_line(struct archive_vehicle *v, uint32_t number, uint32_t last,
                               struct archive_check *check)
{
    unsigned char bit = (unsigned char)(1 << number % 8);

    if (number == 0 || number > last)
        return;
    if (v->seen[number / 8] & bit)
        check->repeated++;
    else if (number < v->newest)
        check->out_of_order++;
    v->seen[number / 8] |= bit;
    if (number > v->newest)
        v->newest = number;
}

static void archive_count_lost(const struct archive_vehicle *v, uint32_t last,
                               struct archive_check *check)
{
    check->acknowledged += last;
    for (uint32_t number = 1; number <= last; number++)
        check->lost += (v->seen[number / 8] >> number % 8 & 1) == 0;
}

int archive_check(const char *path, size_t first, size_t count, const uint32_t *last,
                  struct archive_check *check)
{
    struct archive_vehicle *vehicles = fr_calloc(count, sizeof *vehicles);
    FILE *file = fopen(path, "r");
    char *line = NULL;
    size_t size = 0, vehicle;
    uint32_t number;

    for (size_t i = 0; i < count; i++)
        vehicles[i].seen = fr_calloc(last[i] / 8 + 1, 1);
    while (file != NULL && getline(&line, &size, file) > 0)
        if (archive_parse(line, &vehicle, &number) && vehicle >= first && vehicle - first < count)
            archive_count_line(&vehicles[vehicle - first], number, last[vehicle - first], check);
    for (size_t i = 0; i < count; i++) {
        archive_count_lost(&vehicles[i], last[i], check);
        free(vehicles[i].seen);
    }
    free(vehicles);
    free(line);
    if (file == NULL) {
        perror(path);
        return -1;
    }
    fclose(file);
    return 0;
}
