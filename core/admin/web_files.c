#include "admin/web_files.h"

#include <string.h>

#include "admin/web_content.h"

#define FILES_MAX 64

static bool web_make(struct fr_web_content *file, const struct fr_web_source *source)
{
    for (const char *const *line = source->lines; *line != NULL; line++)
        fr_buffer_text(&file->bytes, *line);
    return fr_web_content_finish(file, source->name);
}

bool fr_web_has_file(const char *name)
{
    for (size_t i = 0; i < FILES_MAX && fr_web_sources[i].name != NULL; i++)
        if (strcmp(fr_web_sources[i].name, name) == 0)
            return true;
    return false;
}

const struct fr_http_file *fr_web_file(const char *name)
{
    /* Each is made at its first request. */
    static struct fr_web_content files[FILES_MAX];

    for (size_t i = 0; i < FILES_MAX && fr_web_sources[i].name != NULL; i++)
        if (strcmp(fr_web_sources[i].name, name) == 0)
            return files[i].public.bytes != NULL || web_make(&files[i], &fr_web_sources[i])
                       ? &files[i].public
                       : NULL;
    return NULL;
}
