/*
 * Collects the errors and warnings found in configuration files, each with file, line and column,
 * so that all of them are printed at once. A collection is used by one thread at a time.
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
    char *file; /* allocated copy */
    int line;   /* from 1; 0: the file as a whole */
    int column; /* from 1 */
    char *text; /* allocated */
};

/* A struct of zeros is an empty collection. */
struct fr_diagnostics {
    struct fr_diagnostic *list;
    size_t count;  /* of `list` */
    size_t errors; /* also counts errors beyond FR_DIAGNOSTICS_MAX */
};

/* Max diagnostics in a collection; one more entry then states that further ones are omitted. */
#define FR_DIAGNOSTICS_MAX 200

/* Append a diagnostic. `file` and the text are copied. The text is cut at 1023 bytes. */
void fr_diagnose(struct fr_diagnostics *diagnostics, enum fr_severity severity, const char *file,
                 int line, int column, const char *format, ...)
    __attribute__((format(printf, 6, 7)));
void fr_vdiagnose(struct fr_diagnostics *diagnostics, enum fr_severity severity, const char *file,
                  int line, int column, const char *format, va_list ap)
    __attribute__((format(printf, 6, 0)));

/* Sort the diagnostics by file, line and column, and print each as a line "FILE:LINE:COLUMN: TEXT";
 * warnings have "warning: " before the text. */
void fr_diagnostics_print(const struct fr_diagnostics *diagnostics, FILE *to);

/* Free the diagnostics; the collection is empty afterwards. */
void fr_diagnostics_free(struct fr_diagnostics *diagnostics);

#endif
