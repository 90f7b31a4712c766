#include "home_assistant/entity.h"

#include <stdlib.h>
#include <string.h>

static void entity_clear_words(struct fr_words *words)
{
    for (size_t i = 0; i < words->count; i++)
        free(words->word[i]);
    free(words->word);
}

void fr_entity_clear(struct fr_entity *e)
{
    free(e->name);
    free(e->device_class);
    free(e->state_class);
    free(e->unit);
    free(e->icon);
    free(e->invalid_state);
    entity_clear_words(&e->from);
    entity_clear_words(&e->options);
    entity_clear_words(&e->on_if);
}

int fr_words_find(const struct fr_words *words, const char *word)
{
    for (size_t i = 0; i < words->count; i++)
        if (strcmp(words->word[i], word) == 0)
            return (int)i;
    return -1;
}

const char *fr_platform_name(enum fr_platform platform)
{
    static const char *const names[] = {
        [FR_PLATFORM_SENSOR] = "sensor",
        [FR_PLATFORM_BINARY_SENSOR] = "binary_sensor",
        [FR_PLATFORM_DEVICE_TRACKER] = "device_tracker",
        [FR_PLATFORM_EVENT] = "event",
    };

    return names[platform];
}
