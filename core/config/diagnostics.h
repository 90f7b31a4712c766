/*
 * diagnostics.h - mistakes and warnings in configuration files, collected so that all of
 * them can be shown at once, each with file, line and column.
 */
#ifndef FR_DIAGNOSTICS_H
#define FR_DIAGNOSTICS_H

#include <stdarg.h>
#include <stdio.h>

enum fr_severity {
    FR_SEVERITY_ERROR,
    FR_SEVERITY_WARNING,
};

struct fr_diagnostic {
    enum fr_severity severity;
    char *file;
    int line; /* from 1; 0: the file as a whole */
    int column;
    char *text;
};

/* All zero is empty. */
struct fr_diagnostics {
    struct fr_diagnostic *list;
    size_t count;
    size_t errors;
};

/* Collecting stops, with a last message that says so, at this many. */
#define FR_DIAGNOSTICS_MAX 200

void fr_diagnose(struct fr_diagnostics *diagnostics, enum fr_severity severity, const char *file,
                 int line, int column, const char *format, ...)
    __attribute__((format(printf, 6, 7)));
void fr_vdiagnose(struct fr_diagnostics *diagnostics, enum fr_severity severity, const char *file,
                  int line, int column, const char *format, va_list ap)
    __attribute__((format(printf, 6, 0)));

/* Print them, "file:line:column: what", warnings marked as such, in the files' order. */
void fr_diagnostics_print(const struct fr_diagnostics *diagnostics, FILE *to);

void fr_diagnostics_free(struct fr_diagnostics *diagnostics);

#endif
