#include "config/diagnostics.h"

#include <stdlib.h>
#include <string.h>

#include "util/memory.h"

void fr_vdiagnose(struct fr_diagnostics *diagnostics, enum fr_severity severity, const char *file,
                  int line, int column, const char *format, va_list ap)
{
    struct fr_diagnostic *d;
    char text[1024];

    vsnprintf(text, sizeof text, format, ap);
    if (severity == FR_SEVERITY_ERROR)
        diagnostics->errors++;
    if (diagnostics->count > FR_DIAGNOSTICS_MAX)
        return;
    if (diagnostics->count == FR_DIAGNOSTICS_MAX)
        snprintf(text, sizeof text, "further diagnostics are omitted");
    diagnostics->list =
        fr_realloc(diagnostics->list, diagnostics->count + 1, sizeof *diagnostics->list);
    d = &diagnostics->list[diagnostics->count++];
    d->severity = severity;
    d->file = fr_strdup(file);
    d->line = line;
    d->column = column;
    d->text = fr_strdup(text);
}

void fr_diagnose(struct fr_diagnostics *diagnostics, enum fr_severity severity, const char *file,
                 int line, int column, const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    fr_vdiagnose(diagnostics, severity, file, line, column, format, ap);
    va_end(ap);
}

static int diagnostics_compare(const void *a, const void *b)
{
    const struct fr_diagnostic *x = a, *y = b;
    int files = strcmp(x->file, y->file);

    if (files != 0)
        return files;
    if (x->line != y->line)
        return x->line < y->line ? -1 : 1;
    return x->column < y->column ? -1 : x->column > y->column;
}

void fr_diagnostics_print(const struct fr_diagnostics *diagnostics, FILE *to)
{
    if (diagnostics->count == 0)
        return;
    qsort(diagnostics->list, diagnostics->count, sizeof *diagnostics->list, diagnostics_compare);
    for (size_t i = 0; i < diagnostics->count; i++) {
        const struct fr_diagnostic *d = &diagnostics->list[i];
        const char *prefix = d->severity == FR_SEVERITY_WARNING ? "warning: " : "";

        if (d->line > 0)
            fprintf(to, "%s:%d:%d: %s%s\n", d->file, d->line, d->column, prefix, d->text);
        else
            fprintf(to, "%s: %s%s\n", d->file, prefix, d->text);
    }
}

void fr_diagnostics_free(struct fr_diagnostics *diagnostics)
{
    for (size_t i = 0; i < diagnostics->count; i++) {
        free(diagnostics->list[i].file);
        free(diagnostics->list[i].text);
    }
    free(diagnostics->list);
    memset(diagnostics, 0, sizeof *diagnostics);
}
